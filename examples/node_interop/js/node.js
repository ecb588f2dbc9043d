// The other side of the example: a stock Moleculer node with a `js` service. See ../README.md.
"use strict";

const { ServiceBroker } = require("moleculer");

const argument = (name, fallback) => {
	const at = process.argv.indexOf(`--${name}`);
	return at > 0 ? process.argv[at + 1] : fallback;
};

const urls = argument("urls", null);
const broker = new ServiceBroker({
	nodeID: argument("node-id", "js"),
	namespace: argument("namespace", "interop"),
	logLevel: "error",
	transporter: {
		type: "TCP",
		// Everything stays on this machine.
		options: { udpBindAddress: "127.0.0.1", udpMulticastTTL: 0, gossipPeriod: 1, urls, udpDiscovery: !urls }
	}
});

const say = (...words) => console.log(broker.nodeID.padEnd(5), ...words);

broker.createService({
	name: "js",
	// Offered once there is somebody for it to call.
	dependencies: ["math"],
	actions: {
		hello: ctx => `Hello ${ctx.params.name} from Node.js!`,
		// Back to whoever offers math, with what is in meta.
		area: async ctx => {
			ctx.meta.via = broker.nodeID;
			return ctx.call("math.mul", { a: ctx.params.width, b: ctx.params.height });
		}
	}
});

broker.createService({
	name: "log",
	events: {
		"demo.**": ctx => say(`event ${ctx.eventName}`, JSON.stringify(ctx.params), `from ${ctx.nodeID}`),
		"$node.connected": ctx => say("sees", ctx.params.node.id, `(${ctx.params.node.client.type})`),
		"$node.disconnected": ctx => say("misses", ctx.params.node.id)
	}
});

async function visit() {
	await broker.waitForServices(["echo", "math", "events"], 10000, 50);
	const shown = async (action, params) => {
		try {
			say(action, JSON.stringify(params), "->", JSON.stringify(await broker.call(action, params)));
		} catch (error) {
			say(action, JSON.stringify(params), "->", error.name, error.code, error.type, error.message);
		}
	};
	await shown("echo.say", { list: [1, null, "x"], text: "hi" });
	await shown("math.add", { a: 1, b: 2 });
	await shown("math.div", { a: 1, b: 0 });
	await shown("math.add", { a: "one", b: 2 });
	await shown("math.pow", { a: 1, b: 2 });
	await broker.emit("demo.greeting", { from: "js" });
	await broker.broadcast("demo.done", null);
}

process.on("SIGTERM", () => broker.stop().then(() => process.exit(0)));
broker.start().then(visit).catch(error => {
	console.error(error);
	process.exit(1);
});
