// The services that the test nodes host, by name. Each is made for one broker.
"use strict";

class TeapotError extends Error {
	constructor() {
		super("I am a teapot");
		this.name = "TeapotError";
		this.code = 418;
		this.type = "TEAPOT";
		this.retryable = false;
		this.data = { volume: 1.5, lid: null };
	}
}

const told = ctx => ({
	id: ctx.id,
	requestID: ctx.requestID,
	parentID: ctx.parentID,
	level: ctx.level,
	caller: ctx.caller,
	nodeID: ctx.nodeID,
	meta: ctx.meta,
	headers: ctx.headers,
	timeout: ctx.options.timeout
});

const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));

module.exports = {
	js: ({ broker, Errors }) => ({
		name: "js",
		version: 2,
		settings: { secret: "s", open: 1, $secureSettings: ["secret"] },
		metadata: { region: "eu" },
		actions: {
			add: {
				rest: "GET /add",
				description: "Adds two numbers",
				params: { a: "number", b: "number" },
				handler: ctx => ctx.params.a + ctx.params.b
			},
			echo: ctx => ctx.params,
			kind: ctx => (ctx.params === undefined ? "undefined" : ctx.params === null ? "null" : typeof ctx.params),
			nothing: () => undefined,
			node: () => broker.nodeID,
			context: ctx => {
				ctx.meta.fromJs = "js was here";
				return told(ctx);
			},
			// Calls on, and tells of both ends.
			relay: async ctx => {
				ctx.meta.relay = broker.nodeID;
				const inner = await ctx.call(ctx.params.action, ctx.params.params, ctx.params.opts);
				return { own: told(ctx), inner, meta: ctx.meta };
			},
			slow: async ctx => {
				await sleep(ctx.params.ms);
				return broker.nodeID;
			},
			fail: ctx => {
				throw made(ctx.params, Errors, broker);
			},
			protected: { visibility: "protected", handler: () => "not for others" }
		}
	}),

	// An action that several nodes offer.
	shared: ({ broker }) => ({
		name: "shared",
		actions: {
			where: async ctx => {
				if (ctx.params.ms) await sleep(ctx.params.ms);
				return broker.nodeID;
			},
			work: async () => {
				await sleep(5);
				return broker.nodeID;
			}
		}
	}),

	// Takes its time to stop, while requests are refused already.
	lingering: () => ({ name: "lingering", stopped: () => sleep(1000) }),

	late: ({ broker }) => ({
		name: "late",
		actions: { where: () => broker.nodeID },
		events: { "late.event": () => {} }
	}),

	mail: ({ broker, heard }) => ({
		name: "mail",
		events: {
			"user.created": ctx => got(heard, broker, "mail", ctx),
			"user.*": { group: "audit", handler: ctx => got(heard, broker, "audit", ctx) },
			"order.**": { group: "deep", handler: ctx => got(heard, broker, "deep", ctx) }
		}
	}),

	inbox: ({ broker, heard }) => ({
		name: "inbox",
		events: { [`to.${broker.nodeID}`]: ctx => got(heard, broker, "inbox", ctx) }
	}),

	// Values that JSON has no form for.
	special: () => ({
		name: "special",
		actions: {
			classes: ctx => classes(ctx.params),
			make: () => special(),
			there: async ctx => classes(await ctx.call("special-rs.keep", special()))
		}
	}),

	web: () => ({
		name: "web",
		mixins: [require("moleculer-web")],
		settings: { port: 0, ip: "127.0.0.1", routes: [{ path: "/api", whitelist: ["**"], autoAliases: true }] },
		actions: {
			port() {
				return this.server.address().port;
			}
		}
	})
};

const special = () => ({ date: new Date(1700000000123), buffer: Buffer.from("0001feff", "hex") });

const classes = ({ date, buffer }) => ({
	date: date instanceof Date ? `Date ${date.getTime()}` : typeof date,
	buffer: Buffer.isBuffer(buffer) ? `Buffer ${buffer.toString("hex")}` : typeof buffer
});

function got(heard, broker, handler, ctx) {
	heard.push({
		what: "event",
		handler,
		event: ctx.eventName,
		data: ctx.params,
		type: ctx.eventType,
		groups: ctx.eventGroups,
		meta: ctx.meta,
		from: ctx.nodeID,
		level: ctx.level
	});
}

// Errors by name, with the data each of them has.
function made({ name }, Errors, broker) {
	const nodeID = broker.nodeID;
	const data = { action: "some.action", nodeID };
	switch (name) {
		case "Error":
			return new Error("plain failed");
		case "TypeError":
			return new TypeError("no such property");
		case "SystemError":
			return Object.assign(new Error("connect failed"), { code: "ECONNREFUSED" });
		case "string":
			return "just a string";
		case "TeapotError":
			return new TeapotError();
		case "MoleculerError":
		case "MoleculerRetryableError":
		case "MoleculerServerError":
		case "MoleculerClientError":
			return new Errors[name]("told so", 455, "TOLD", { a: [1, { b: null }] });
		case "ValidationError":
			return new Errors.ValidationError("Parameters validation error!", "CUSTOM_TYPE", [{ field: "a" }]);
		case "ServiceSchemaError":
		case "BrokerOptionsError":
			return new Errors[name]("does not work", { a: 1 });
		case "GracefulStopTimeoutError":
			return new Errors[name]({ service: { name: "x" } });
		case "MaxCallLevelError":
			return new Errors[name]({ nodeID, level: 7 });
		case "QueueIsFullError":
			return new Errors[name]({ ...data, size: 5, limit: 5 });
		default:
			return new Errors[name](data);
	}
}
