import { A } from "./a";

export interface Shape {
  readonly kind: string;
  area(): number;
}

type Id = string | number;

export enum Colour {
  Red = "red",
  Blue = "blue",
}

@Component({ selector: "app" })
export class App<T> implements Shape {
  kind = "app";
  constructor(private readonly http: Http) {}

  @Input()
  area(): number {
    return 1;
  }
}

declare module "x" {
  export function f(): void;
}

namespace N {
  export const one = 1;
  export function two(): number { return 2; }
}

export abstract class Base {
  abstract go(): void;
}

export const make = (id: Id): App<Id> => {
  return new App(id);
};
