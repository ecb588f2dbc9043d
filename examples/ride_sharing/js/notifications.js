// The notification service on a stock Moleculer node, in place of `--role notifications`. See ../README.md.
"use strict";

const { ServiceBroker } = require("moleculer");

const argument = (name, fallback) => {
	const at = process.argv.indexOf(`--${name}`);
	return at > 0 ? process.argv[at + 1] : fallback;
};

const broker = new ServiceBroker({
	nodeID: "notifications-1",
	namespace: "ride-sharing",
	logLevel: "error",
	transporter: argument("transporter", "nats://127.0.0.1:4222")
});

const dollars = cents => `$${(cents / 100).toFixed(2)}`;

broker.createService({
	name: "notifications",
	created() {
		this.told = new Set();
	},
	events: {
		paymentSuccess(ctx) {
			const { driver, fareCents } = ctx.params;
			return this.tell(ctx, `${driver} is on the way, ${dollars(fareCents)} paid`);
		},
		rideCancelled(ctx) {
			return this.tell(ctx, `ride cancelled: ${ctx.params.reason}`);
		}
	},
	methods: {
		// Nothing if the rider has been told about this ride.
		async tell(ctx, text) {
			const { ride, rider } = ctx.params;
			if (this.told.has(ride)) return;
			this.told.add(ride);
			console.log(`tells of ride ${ride}, request ${ctx.requestID}`);
			// Emitted through the context: the request id goes along.
			await ctx.emit("notificationSent", { ride, rider, text });
		}
	}
});

// Moleculer's broker stops by itself at these signals, and ends the process.
broker.start().then(() => console.log(`${broker.nodeID} runs until Ctrl-C`)).catch(error => {
	console.error(error);
	process.exit(1);
});
