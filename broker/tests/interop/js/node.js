// A stock Moleculer node that does what it is told: one JSON object per line on standard input is a
// command `{id, do, …}`, one per line on standard output its answer `{id, ok}` or `{id, error}`.
//
// Usage: node node.js 0.14|0.15. Logs go to standard error.
"use strict";

const readline = require("node:readline");
const version = process.argv[2];
const moleculer = require(version === "0.14" ? "moleculer-014" : "moleculer-015");
const services = require("./services");

// Moleculer's logger writes to the console, whose output belongs to the answers.
for (const method of ["log", "info", "debug", "trace", "warn"]) console[method] = console.error;

const { ServiceBroker, Context, Errors, Middlewares } = moleculer;
let broker = null;
// Local events of interest and the events that services received.
const heard = [];
let load = null;
// Requests that were answered as not available.
let refused = 0;

const watcher = {
	name: "watcher",
	events: {
		"$node.connected": ctx => note("connected", ctx),
		"$node.updated": ctx => note("updated", ctx),
		"$node.disconnected": ctx => note("disconnected", ctx)
	}
};

function note(what, ctx) {
	heard.push({ what, node: ctx.params.node.id, unexpected: ctx.params.unexpected });
}

// JSON has no `undefined`: it is told apart by this.
function shown(value) {
	return value === undefined ? { $undefined: true } : value;
}

function described(error) {
	if (!(error instanceof Error)) return { thrown: error };
	return {
		class: error.constructor.name,
		known: Object.values(Errors).some(known => typeof known === "function" && error.constructor === known),
		name: error.name,
		message: error.message,
		code: shown(error.code),
		type: shown(error.type),
		retryable: shown(error.retryable),
		data: shown(error.data),
		nodeID: shown(error.nodeID),
		hasStack: typeof error.stack === "string"
	};
}

function options(opts) {
	const filled = { ...(opts || {}) };
	if (filled.fallback) filled.fallbackResponse = filled.fallback;
	return filled;
}

const commands = {
	// `layers`: names and arguments of the middlewares that change packets, `[["Compression", {…}], …]`.
	async create({ options, services: names, layers }) {
		const middlewares = (layers || []).map(([name, ...args]) => Middlewares.Transmit[name](...args));
		broker = new ServiceBroker({
			logger: { type: "Console", options: { colors: false, formatter: "short" } },
			logLevel: "info",
			middlewares,
			...options
		});
		const env = { broker, Errors, heard };
		broker.createService(watcher);
		for (const name of names || []) broker.createService(services[name](env));
		await broker.start();
		const { transit } = broker;
		if (transit) {
			const send = transit.sendResponse;
			transit.sendResponse = function (...args) {
				if (args.some(arg => arg instanceof Errors.ServiceNotAvailableError)) refused++;
				return send.apply(this, args);
			};
		}
		return { version: broker.MOLECULER_VERSION, protocol: broker.PROTOCOL_VERSION, pid: process.pid };
	},

	async call({ action, params, omitParams, opts }) {
		return shown(await broker.call(action, omitParams ? undefined : params, options(opts)));
	},

	// As a root context of our own, so that the meta that came back can be seen, also after an error.
	async callMeta({ action, params, meta, opts }) {
		const ctx = new Context(broker);
		ctx.meta = meta || {};
		try {
			const data = await ctx.call(action, params, options(opts));
			return { data: shown(data), meta: ctx.meta, id: ctx.id, requestID: ctx.requestID };
		} catch (error) {
			return { error: described(error), meta: ctx.meta };
		}
	},

	async emit({ event, data, opts, times }) {
		for (let i = 0; i < (times || 1); i++) await broker.emit(event, data, options(opts));
	},

	async broadcast({ event, data, opts }) {
		await broker.broadcast(event, data, options(opts));
	},

	async ping({ node }) {
		return shown(await broker.ping(node));
	},

	async waitForServices({ names, timeout }) {
		await broker.waitForServices(names, timeout || 10000, 20);
	},

	async waitForNode({ node, available }) {
		for (;;) {
			const known = broker.registry.nodes.get(node);
			if (!!(known && known.available) === available) return null;
			await new Promise(resolve => setTimeout(resolve, 10));
		}
	},

	async waitForSubscribers({ event, count }) {
		for (;;) {
			if (broker.registry.events.getAllEndpoints(event).length === count) return null;
			await new Promise(resolve => setTimeout(resolve, 10));
		}
	},

	localServices() {
		return broker.registry.getServiceList({ onlyLocal: true });
	},

	async waitForServicesOf({ node, names }) {
		for (;;) {
			const known = broker.registry.services.services.filter(item => item.node.id === node);
			const available = known.filter(item => item.node.available).map(item => item.fullName);
			if (names.every(name => available.includes(name))) return null;
			await new Promise(resolve => setTimeout(resolve, 10));
		}
	},

	async waitForNoAction({ action }) {
		for (;;) {
			const list = broker.registry.actions.get(action);
			if (!list || list.endpoints.length === 0) return null;
			await new Promise(resolve => setTimeout(resolve, 10));
		}
	},

	// Types of the values too: JSON would hide the difference between a missing and an undefined one.
	async typesOf({ action, params, opts }) {
		const rows = await broker.call(action, params, options(opts));
		const types = value => {
			if (Array.isArray(value)) return "array";
			if (value === null || typeof value !== "object") return value === null ? "null" : typeof value;
			return Object.fromEntries(Object.entries(value).map(([key, value]) => [key, types(value)]));
		};
		return rows.map(types);
	},

	async add({ service }) {
		broker.createService(services[service]({ broker, Errors, heard }));
	},

	async remove({ service }) {
		await broker.destroyService(service);
	},

	heard() {
		return heard.splice(0);
	},

	// Calls at a steady rate until told to end, and remembers each failure.
	loadStart({ action, rate, opts }) {
		const state = { sent: 0, settled: 0, ok: 0, byNode: {}, failures: [] };
		const began = Date.now();
		const timer = setInterval(() => {
			const due = Math.floor(((Date.now() - began) * rate) / 1000);
			while (state.sent < due) {
				state.sent++;
				broker
					.call(action, { n: state.sent }, options(opts))
					.then(node => {
						state.ok++;
						state.byNode[node] = (state.byNode[node] || 0) + 1;
					})
					.catch(error => state.failures.push(described(error)))
					.finally(() => state.settled++);
			}
		}, 5);
		load = { state, timer };
	},

	loadState() {
		return load.state;
	},

	async loadEnd() {
		clearInterval(load.timer);
		const until = Date.now() + 10000;
		while (load.state.settled < load.state.sent && Date.now() < until)
			await new Promise(resolve => setTimeout(resolve, 10));
		return load.state;
	},

	async stop() {
		await broker.stop();
		return { refused };
	},

	exit() {
		setImmediate(() => process.exit(0));
	}
};

function answer(message) {
	process.stdout.write(JSON.stringify(message) + "\n");
}

readline.createInterface({ input: process.stdin }).on("line", async line => {
	const { id, do: name, ...args } = JSON.parse(line);
	try {
		const ok = await commands[name](args);
		answer({ id, ok: ok === undefined ? null : ok });
	} catch (error) {
		answer({ id, error: described(error) });
	}
}).on("close", () => process.exit(0));
