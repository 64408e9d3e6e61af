// What each role may say and hear on a NATS server: for credentials that Headrace makes, and for whoever writes them down by hand. Knows nothing of
// credentials.
//
// Any worker may lead any run, so workers may write journals and speak to all workers as leaders do. None may speak as another worker, hear what
// others are answered, or make, change, empty or delete what belongs to all. Whoever may submit runs has his code run by the workers.
import { inboxesOf, subjects } from "./connect.ts";
import { STREAMS, streamSubjects } from "./streams.ts";

export type Role = "admin" | "client" | "worker";

export interface Permissions {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
  /** To whom it was asked by, once for each question. */
  readonly answers: boolean;
}

/** `identity`: one word, which tells it from all others of its role and of others. */
export function permissionsOf(role: Role, identity: string): Permissions {
  const inboxes = [`${inboxesOf(identity)}.>`, subjects.answersTo(identity)];
  if (role === "admin") return { publish: [">"], subscribe: [">"], answers: true };
  const api = STREAMS.flatMap(({ name }) => [
    `$JS.API.STREAM.INFO.${name}`,
    `$JS.API.STREAM.MSG.GET.${name}`,
    `$JS.API.CONSUMER.CREATE.${name}.>`,
    `$JS.API.CONSUMER.INFO.${name}.*`,
    `$JS.API.CONSUMER.DELETE.${name}.*`,
    `$JS.API.CONSUMER.MSG.NEXT.${name}.*`,
  ]);
  const { journals, events, outputs, summaries, calls } = streamSubjects;
  if (role === "client")
    return {
      publish: [
        ...["$JS.API.INFO", ...api],
        ...[journals, events, summaries],
        ...[subjects.lead, subjects.discover, subjects.ask("*"), subjects.alive(">")],
      ],
      subscribe: [...inboxes, subjects.summaries, subjects.allLed, subjects.secrets("*")],
      answers: true,
    };
  const own = `${identity}.*`;
  return {
    publish: [
      ...["$JS.API.INFO", ...api],
      ...STREAMS.filter(({ endsWithRun }) => endsWithRun).map(({ name }) => `$JS.API.STREAM.PURGE.${name}`),
      ...[journals, events, outputs, summaries, calls],
      // As a worker.
      ...[subjects.toLeader("*", own), subjects.bulk("*.*"), subjects.alive(">")],
      // As a leader.
      ...[subjects.toWorker("*", "*.*"), subjects.led("*"), subjects.discover, subjects.secrets("*")],
    ],
    subscribe: [
      ...inboxes,
      ...[subjects.toWorker("*", own), subjects.bulk(own), subjects.alive(own), subjects.drain(own), subjects.discover, subjects.lead],
      ...[subjects.allLed, subjects.summaries, subjects.allToLeader("*"), subjects.alive("*"), subjects.ask("*")],
    ],
    answers: true,
  };
}
