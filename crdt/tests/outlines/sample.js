// Licence.

import a from "a";
const b = require("b");

/** Adds. */
export function add(x, y) {
  return x + y;
}

export default class Counter extends Base {
  #count = 0;
  static most = 8;

  constructor() { super(); }

  // One more.
  increment() {
    this.#count++;
  }

  get count() { return this.#count; }
  handle = () => {
    this.increment();
  };
}

const twice = (x) => {
  return x * 2;
};

module.exports.later = async function () {
  return 1;
};

const limits = {
  most: 8,
  least: 1,
};

describe("add", () => {
  it("adds", () => {});
});
