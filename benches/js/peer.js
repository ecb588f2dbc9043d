// Moleculer as a subject of the transporter benches, over TCP: `node peer.js server|client|idle PORTS`, or on a
// message server: `TRANSPORTER=JSON node peer.js server|client NAMESPACE`. `node peer.js check` only shows that
// the packages are there. Speaks the protocol of benches/transporters/worker.rs.
"use strict";

const path = require("path");
const readline = require("readline");
// The packages that scripts/node-setup installs, with the drivers of all servers.
const packages = path.join(__dirname, "../../broker/tests/interop/js/");
const { ServiceBroker } = require("module").createRequire(packages)("moleculer-015");

const WINDOW = 256;
const NODES = 4;
const LOST_AFTER = 2000;
const MAX_FRAME = 64 * 1024 * 1024;
const [role, place = ""] = process.argv.slice(2);

function broker(n) {
	if (process.env.TRANSPORTER) {
		return new ServiceBroker({
			nodeID: `n${n}`,
			namespace: place,
			logger: false,
			transporter: JSON.parse(process.env.TRANSPORTER)
		});
	}
	const ports = place.split(",").map(Number);
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
	let wanted = Infinity;
	let reached = () => {};
	const count = () => {
		seen += 1;
		if (seen >= wanted) reached();
	};
	return {
		name: `echo${n}`,
		actions: {
			raw: ctx => ctx.params,
			// The question may come before the events that it is about.
			async seen(ctx) {
				if (seen < ctx.params.wanted) {
					await new Promise(resolve => {
						wanted = ctx.params.wanted;
						reached = resolve;
						setTimeout(resolve, LOST_AFTER).unref();
					});
					wanted = Infinity;
				}
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
		for (let n = 1; n <= nodes; n++) {
			count += await client.call(`echo${n}.seen`, { wanted: WINDOW }, { nodeID: `n${n}` });
		}
	} while (now() - from < BigInt(millis) * 1000000n);
	return `${count} ${now() - from} 0`;
}

async function drive() {
	const client = broker(0);
	await client.start();
	const names = Array.from({ length: NODES }, (_, n) => `echo${n + 1}`);
	await client.waitForServices(names, 60000);
	for (const name of names) await client.call(`${name}.seen`, { wanted: 0 });
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

const roles = { server: serve, client: drive, idle, check: async () => {} };
roles[role]().catch(error => {
	console.error(error);
	process.exit(1);
});
