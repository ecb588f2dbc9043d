// Node's own serializers, on random values, for the comparison with ours.
//
// Usage: node differential.js make SERIALIZER COUNT SEED
//            writes COUNT lines: what the serializer made of a random value as hexadecimal digits, what
//            the serializer reads of that again, and which oddities the value has
//        node differential.js read SERIALIZER
//            reads lines of hexadecimal digits, and writes what the serializer reads of each
//
// What is read is shown as JSON, in the form that a Rust handler without a type for it sees: a date as its
// ISO text, a Buffer as the object that JSON makes of it (see docs/semantics.md).
"use strict";

// msgpack5 has something to say about each Map.
console.warn = () => {};

const readline = require("node:readline");
const { Serializers } = require("moleculer-015");

const [mode, name, count, seed] = process.argv.slice(2);
const serializer = new Serializers[name]();
serializer.init({ fatal: message => { throw new Error(message); } });

// A small generator of its own, so that a seed always gives the same values.
let state = Number(seed || 1) >>> 0;
function random() {
	state = (state + 0x6d2b79f5) >>> 0;
	let t = state;
	t = Math.imul(t ^ (t >>> 15), t | 1);
	t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
	return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}
const below = n => Math.floor(random() * n);
const pick = list => list[below(list.length)];

const EDGES = [0, 23, 24, 31, 32, 33, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 2147483647, 2147483648,
	4294967295, 4294967296, 4294967297, 1099511627776, 9007199254740991];

function integer() {
	const size = random() < 0.5 ? pick(EDGES) : below(2 ** below(54));
	return random() < 0.5 ? size : -size || 0;
}

function float() {
	switch (below(5)) {
		case 0: return random();
		case 1: return Math.fround(random() * 1000);
		case 2: return (random() - 0.5) * 10 ** (below(36) - 18);
		case 3: return integer() + 0.5;
		default: return below(1000) / 4;
	}
}

const LETTERS = ["a", "Z", "0", " ", "\"", "\\", "\n", "\u0000", "\u001f", "\u007f", "é", "ß", "漢", "\u2028", "😀", "🦀",
	"[", "]", "/", "\ufeff", "\uffff"];

function text() {
	if (random() < 0.05) return pick(["[[", "[[ES]]", "[[DT]]5", "[[BF]]AA==", "[[XX]]y", "[[BI]]1", "[[]]"]) + text();
	if (random() < 0.02) return "x".repeat(pick([31, 32, 255, 256, 65535, 65536]));
	let letters = "";
	for (let n = below(12); n > 0; n--) letters += pick(LETTERS);
	return letters;
}

function date() {
	switch (below(4)) {
		case 0: return new Date(below(4294967296) * 1000);
		case 1: return new Date(1700000000000 + below(1e9));
		case 2: return new Date(-below(8e12));
		default: return new Date(Math.floor((random() - 0.5) * 5e14));
	}
}

function bytes() {
	const buffer = Buffer.alloc(random() < 0.02 ? pick([255, 256, 65536]) : below(20));
	for (let at = 0; at < buffer.length; at++) buffer[at] = below(256);
	return buffer;
}

// What some serializers lose, refuse or write in a way of their own.
const ODDITIES = {
	"lone surrogate": () => pick(["\ud800", "x\udfff", "\ud83dx"]),
	"not finite": () => pick([NaN, Infinity, -Infinity]),
	"minus zero": () => -0,
	"beyond 2^53": () => pick([2 ** 53, 2 ** 53 + 2, 2 ** 60, 2 ** 63, 2 ** 64, 1e20, -(2 ** 53), -(2 ** 60), -(2 ** 63), -1e20]),
	"large float": () => pick([1e300, 1.5e20, -1e25, Number.MAX_VALUE]),
	"tiny float": () => pick([5e-324, -1e-310, 1e-7]),
	"far date": () => Array.from({ length: 20 }, () => new Date((random() < 0.5 ? -1 : 1) * (253402300800000 + Math.floor(random() * 8.38e15)))),
	"invalid date": () => new Date(NaN),
	"undefined member": () => ({ a: undefined, b: 1 }),
	"undefined element": () => [1, undefined, 2],
	"small BigInt": () => BigInt(integer()),
	"64-bit BigInt": () => pick([2n ** 63n - 1n, 2n ** 64n - 1n, -(2n ** 63n), 2n ** 53n + 1n]),
	"large BigInt": () => pick([2n ** 64n, -(2n ** 64n), -(2n ** 63n) - 1n, 123456789012345678901234567890n, 2n ** 200n, -(2n ** 130n)]),
	Map: () => new Map([["a", integer()], [text(), text()]]),
	"Map with other keys": () => new Map([[1, "a"], [true, "b"]]),
	Set: () => new Set([1, "a", text()]),
	RegExp: () => pick([/a|b/gi, /^x/, /\//u]),
	Uint8Array: () => new Uint8Array([1, 2, 255]),
	"wide object": () => Object.fromEntries(Array.from({ length: pick([15, 16, 17, 300]) }, (_, n) => [`k${n}`, n])),
	"wide array": () => Array.from({ length: pick([15, 16, 23, 24, 300]) }, () => integer())
};

function value(depth, oddities) {
	if (random() < 0.03) {
		const oddity = pick(Object.keys(ODDITIES));
		oddities.add(oddity);
		return ODDITIES[oddity]();
	}
	switch (below(depth > 0 ? 10 : 8)) {
		case 0: return null;
		case 1: return random() < 0.5;
		case 2:
		case 3: return integer();
		case 4: return float();
		case 5: return text();
		case 6: return date();
		case 7: return bytes();
		case 8: return Array.from({ length: below(6) }, () => value(depth - 1, oddities));
		default: {
			const object = {};
			for (let n = below(6); n > 0; n--) object[`${pick(["", "a", "key", "é"])}${below(20)}`] = value(depth - 1, oddities);
			return object;
		}
	}
}

// JSON with all digits of a number.
function shown(value) {
	if (value === null || value === undefined) return "null";
	switch (typeof value) {
		case "boolean": return String(value);
		case "number": return Number.isFinite(value) ? (Object.is(value, -0) ? "-0.0" : String(value)) : "null";
		case "bigint":
			return value >= -(2n ** 63n) && value < 2n ** 64n ? String(value) : JSON.stringify(String(value));
		case "string": return JSON.stringify(value);
	}
	if (value instanceof Date) return Number.isNaN(value.getTime()) ? "null" : JSON.stringify(value.toISOString());
	if (value instanceof Uint8Array) return `{"type":"Buffer","data":[${value.join(",")}]}`;
	if (value instanceof RegExp) return JSON.stringify(`/${value.source}/${value.flags}`);
	if (value instanceof Set) return shown([...value]);
	if (Array.isArray(value)) return `[${value.map(shown).join(",")}]`;
	const entries = value instanceof Map ? [...value] : Object.entries(value);
	return `{${entries.map(([key, value]) => `${JSON.stringify(String(key))}:${shown(value)}`).join(",")}}`;
}

function read(bytes) {
	try {
		return shown(serializer.deserialize(bytes));
	} catch (error) {
		return `!${error.message.replace(/\s+/g, " ")}`;
	}
}

async function make() {
	for (let left = Number(count); left > 0; ) {
		let lines = "";
		for (let n = 0; n < 200 && left > 0; ) {
			const oddities = new Set();
			const packet = { v: value(4, oddities) };
			let bytes;
			try {
				bytes = Buffer.from(serializer.serialize(packet));
			} catch {
				// What cannot be sent cannot be read otherwise.
				continue;
			}
			lines += `${bytes.toString("hex")}\t${read(bytes)}\t${[...oddities].join(",")}\n`;
			n++;
			left--;
		}
		if (!process.stdout.write(lines)) await new Promise(resolve => process.stdout.once("drain", resolve));
	}
}

if (mode === "make") {
	make();
} else {
	readline.createInterface({ input: process.stdin }).on("line", line => {
		process.stdout.write(read(Buffer.from(line, "hex")) + "\n");
	});
}
