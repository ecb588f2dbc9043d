// Moleculer over TCP as a subject of the transporter benches: `node peer.js server|client|idle PORTS`.
// Speaks the protocol of benches/transporters/worker.rs.
"use strict";

const { ServiceBroker } = require("moleculer");
const readline = require("readline");

const WINDOW = 256;
const NODES = 4;
const MAX_FRAME = 64 * 1024 * 1024;
const [role, list] = process.argv.slice(2);
const ports = list.split(",").map(Number);

function broker(n) {
	return new ServiceBroker({
		nodeID: `n${n}`,
		logger: false,
		transporter: {
			type: "TCP",
			options: {
				udpDiscovery: false,
				useHostname: false,
				maxPacketSize: MAX_FRAME,
				urls: ports.map((port, at) => `127.0.0.1:${port}/n${at}`)
			}
		}
	});
}

function service(n) {
	let seen = 0;
	const count = () => {
		seen += 1;
	};
	return {
		name: `echo${n}`,
		actions: {
			raw: ctx => ctx.params,
			seen() {
				const result = seen;
				seen = 0;
				return result;
			}
		},
		events: { [`to${n}`]: count, "to-all": count }
	};
}

async function serve() {
	for (let n = 1; n <= NODES; n++) {
		const node = broker(n);
		node.createService(service(n));
		await node.start();
	}
	console.log("ready");
	process.stdin.on("end", () => process.exit(0)).resume();
}

const now = () => process.hrtime.bigint();
const body = size => ({ d: "x".repeat(Math.max(0, size - 8)) });

async function calls(client, size, concurrency, millis) {
	const params = body(size);
	const took = [];
	let count = 0;
	let over = false;
	const from = now();
	setTimeout(() => (over = true), millis);
	const caller = async () => {
		do {
			const begun = concurrency == 1 ? now() : 0n;
			await client.call("echo1.raw", params);
			if (concurrency == 1) took.push(Number(now() - begun));
			count += 1;
		} while (!over);
	};
	await Promise.all(Array.from({ length: concurrency }, caller));
	const nanos = now() - from;
	took.sort((a, b) => a - b);
	return `${count} ${nanos} ${took.length ? took[took.length >> 1] : 0}`;
}

async function events(client, size, nodes, millis) {
	const data = body(size);
	const event = nodes == 1 ? "to1" : "to-all";
	const from = now();
	let count = 0;
	do {
		for (let n = 0; n < WINDOW; n++) await client.broadcast(event, data);
		for (let n = 1; n <= nodes; n++) count += await client.call(`echo${n}.seen`, {}, { nodeID: `n${n}` });
	} while (now() - from < BigInt(millis) * 1000000n);
	return `${count} ${now() - from} 0`;
}

async function drive() {
	const client = broker(0);
	await client.start();
	const names = Array.from({ length: NODES }, (_, n) => `echo${n + 1}`);
	await client.waitForServices(names, 60000);
	for (const name of names) await client.call(`${name}.seen`);
	console.log("ready");
	for await (const line of readline.createInterface({ input: process.stdin })) {
		const [what, size, count, millis] = line.split(" ");
		const load = what == "calls" ? calls : events;
		console.log(await load(client, Number(size), Number(count), Number(millis)));
	}
	process.exit(0);
}

// For the footprint program: one node that does nothing.
async function idle() {
	await broker(0).start();
	console.log("ready");
}

const roles = { server: serve, client: drive, idle };
roles[role]().catch(error => {
	console.error(error);
	process.exit(1);
});
