// test/runtime/programs.ts
import { createHash } from "node:crypto";
function stage({ id, ...more }) {
  return {
    id,
    name: id,
    tasks: { kind: "one" },
    inputs: [],
    body: constant(null),
    output: "value",
    strategy: { kind: "task" },
    options: {},
    ...more
  };
}
function program(stages, {
  results,
  module = "",
  onFailure
}) {
  const digest = createHash("sha256").update(module).digest("hex");
  const planned = stages.map(stage);
  const names = [...module.matchAll(/export (?:async )?function (\w+)/g)].map(([, name]) => name);
  return {
    code: { [digest]: { module, map: null } },
    plan: {
      format: "headrace-plan/1",
      hash: "",
      name: "written",
      params: [],
      functions: Object.fromEntries(
        names.map((name) => [name, { digest, export: name, async: name.endsWith("Async"), iterates: "no", native: [] }])
      ),
      stages: planned,
      regions: regionsOf(planned),
      outputs: results.map((index) => ({
        name: planned[index].id,
        from: { kind: "stage", stage: index, take: planned[index].output === "value" ? "value" : "blocks" }
      })),
      ...onFailure ? { onFailure: { param: "failure", stages: onFailure.map(stage), regions: regionsOf(onFailure.map(stage)) } } : {},
      about: { file: "", entry: "", schedule: null, doc: null, stages: {}, functions: {}, params: {}, outputs: {} }
    }
  };
}
function regionsOf(stages) {
  const around = /* @__PURE__ */ new Map();
  for (const { tasks, region = null } of stages) {
    if (tasks.kind === "each" || tasks.kind === "loop") around.set(tasks.region, region);
    if (tasks.kind === "branch") for (const one of [tasks.then, tasks.else]) around.set(one, region);
  }
  return Array.from({ length: around.size }, (_, index) => ({
    around: around.get(index) ?? null,
    stages: stages.flatMap(({ region }, at) => region === index ? [at] : [])
  }));
}
var constant = (value2) => ({ op: "const", value: value2 });
var value = (of) => ({ kind: "value", stage: of });
var block = (of) => ({ kind: "block", stage: of });
var blocks = (of) => ({ kind: "blocks", stage: of });

// test/runtime/random-plans.ts
var Writer = class {
  stages = [];
  #regions = 0;
  #dice;
  #at = 0;
  constructor(dice) {
    this.#dice = dice;
  }
  roll(below) {
    return (this.#dice[this.#at++ % this.#dice.length] + this.#at) % below;
  }
  #add(kind, region, more) {
    const id = `${kind}${this.stages.length}`;
    return this.stages.push({ id, ...region === void 0 ? {} : { region }, ...more }) - 1;
  }
  #pick(list) {
    return list.length === 0 ? void 0 : list[this.roll(list.length)];
  }
  /** Stages of one region; what they may read grows. */
  block(region, around, depth) {
    let names = around;
    const own = { values: [], sets: [] };
    const gave = (more) => {
      own.values.push(...more.values ?? []);
      own.sets.push(...more.sets ?? []);
      names = { ...names, values: [...names.values, ...more.values ?? []], sets: [...names.sets, ...more.sets ?? []] };
    };
    const wanted = 1 + this.roll(3);
    for (let i = 0; i < wanted; i++) {
      const set = this.#pick(names.sets);
      const one = this.#pick(names.values);
      const reads = [...one === void 0 ? [] : [value(one)], ...this.roll(2) === 0 ? names.reads : []];
      const kind = this.roll(depth > 0 ? 9 : 5);
      if (kind === 0) gave({ sets: [this.#add("set", region, { output: "blocks", inputs: reads })] });
      else if (kind === 1 && set !== void 0)
        gave({
          sets: [
            this.#add("rows", region, {
              tasks: { kind: "perBlock", of: set },
              inputs: [block(set), ...reads],
              output: "block",
              strategy: this.#data()
            })
          ]
        });
      else if (kind === 2 && set !== void 0) gave({ values: [this.#add("all", region, { inputs: [blocks(set), ...reads] })] });
      else if (kind === 3) {
        const count = { kind: "const", value: 1 + this.roll(3) };
        gave({
          sets: [
            this.#add("range", region, {
              tasks: { kind: "range", rows: count, blocks: count },
              inputs: [{ kind: "range" }, ...reads],
              output: "block",
              strategy: this.#data()
            })
          ]
        });
      } else if (kind < 5) gave({ values: [this.#add(this.roll(4) === 0 ? "act" : "value", region, { inputs: reads })] });
      else if (kind < 7) gave({ sets: [this.#each(region, names, depth)] });
      else if (kind === 7) gave({ values: this.#branch(region, names, depth) });
      else gave({ values: this.#loop(region, names, depth) });
    }
    if (own.values.length === 0) gave({ values: [this.#add("value", region, { inputs: names.reads })] });
    return { values: own.values, sets: own.sets, reads: [] };
  }
  #data() {
    return { kind: "data", slots: this.roll(4) === 0 ? 1 + this.roll(2) : null };
  }
  /** Stages around that are read inside stand among a control stage's inputs. */
  #captured(region, from) {
    const inside = /* @__PURE__ */ new Set([region]);
    const found = /* @__PURE__ */ new Set();
    const all = this.stages;
    for (let changed = true; changed; ) {
      changed = false;
      for (const { tasks, region: own } of all) {
        if (own === void 0 || !inside.has(own)) continue;
        const more = tasks?.kind === "each" || tasks?.kind === "loop" ? [tasks.region] : tasks?.kind === "branch" ? [tasks.then, tasks.else] : [];
        for (const one of more) if (!inside.has(one)) changed = Boolean(inside.add(one));
      }
    }
    for (const { region: own, inputs = [] } of all.slice(from))
      if (own !== void 0 && inside.has(own)) {
        for (const input of inputs)
          if ("stage" in input && input.kind !== "item" && !inside.has(all[input.stage].region ?? -1)) found.add(input.stage);
      }
    return [...found].map((stage2) => ({ kind: "after", stage: stage2 }));
  }
  #effects(region) {
    return this.stages.flatMap(
      ({ id, region: own }, stage2) => own === region && id.startsWith("act") ? [{ kind: "after", stage: stage2 }] : []
    );
  }
  #each(region, names, depth) {
    const one = this.#pick(names.values);
    const of = this.#add("items", region, { output: "blocks", cut: "rows", inputs: one === void 0 ? names.reads : [value(one)] });
    const inner = this.#regions++;
    const from = this.stages.length;
    const item = { kind: "item", stage: of };
    const empty = this.roll(8) === 0;
    const made2 = empty ? null : this.block(inner, { ...names, reads: [...names.reads, item] }, depth - 1);
    const set = made2 && this.#pick(made2.sets);
    return this.#add("each", region, {
      tasks: { kind: "each", of, region: inner },
      inputs: [
        item,
        ...made2 ? [value(this.#pick(made2.values)), ...this.#effects(inner)] : [],
        ...typeof set === "number" ? [blocks(set)] : [],
        ...this.#captured(inner, from)
      ],
      output: "row",
      strategy: this.#data()
    });
  }
  #branch(region, names, depth) {
    const condition = this.#pick(names.values) ?? this.#add("value", region, { inputs: names.reads });
    const sides = [0, 1].map(() => {
      const inner = this.#regions++;
      const from = this.stages.length;
      const outer = this.#pick(names.values);
      const gives = this.roll(4) === 0 && outer !== void 0 ? outer : this.#pick(this.block(inner, names, depth - 1).values);
      return { inner, gives, captured: this.#captured(inner, from) };
    });
    const [then, otherwise] = sides;
    const control = this.#add("branch", region, { inputs: [value(condition), ...then.captured, ...otherwise.captured] });
    const given = this.#add("given", region, { tasks: { kind: "given" } });
    this.stages[control] = {
      ...this.stages[control],
      tasks: { kind: "branch", then: then.inner, else: otherwise.inner, gives: [{ given, then: then.gives, else: otherwise.gives }] }
    };
    return [given];
  }
  #loop(region, names, depth) {
    const init = this.#pick(names.values) ?? this.#add("value", region, { inputs: names.reads });
    const inner = this.#regions++;
    const from = this.stages.length;
    const given = this.#add("carried", inner, { tasks: { kind: "given" } });
    const iteration = { kind: "iteration", region: inner };
    const made2 = this.block(inner, { ...names, values: [...names.values, given], reads: [...names.reads, iteration] }, depth - 1);
    const next = this.roll(5) === 0 ? given : this.#pick(made2.values);
    const decision2 = this.#add("decision", inner, { inputs: [value(this.#pick(made2.values)), iteration, ...this.#effects(inner)] });
    const control = this.#add("loop", region, { inputs: this.#captured(inner, from) });
    const final = this.#add("final", region, { tasks: { kind: "given" } });
    this.stages[control] = {
      ...this.stages[control],
      tasks: { kind: "loop", region: inner, carried: [{ given, init, next, final }], decision: decision2 }
    };
    return [final];
  }
};
function randomPlan(dice) {
  const writer = new Writer(dice);
  writer.block(void 0, { values: [], sets: [], reads: [] }, 3);
  const stages = writer.stages.map((one) => one.id.startsWith("act") ? { ...one, effect: true } : one);
  const results = stages.flatMap(
    ({ region, tasks, output = "value" }, index) => region === void 0 && tasks?.kind !== "branch" && tasks?.kind !== "loop" && output !== "partial" ? [index] : []
  );
  return program(stages, { results }).plan;
}

// runtime/core/model.ts
var ENGINE = -1;
var NOBODY = -2;
var TASK_STATES = ["Waiting", "Ready", "Sent", "Delayed", "Committed", "Failed", "Inside"];
var Waiting = 0;
var Ready = 1;
var Sent = 2;
var Delayed = 3;
var Committed = 4;
var Failed = 5;
var Inside = 6;
var TRANSITIONS = {
  inputsPresent: { from: Waiting, to: Ready },
  inputsLost: { from: Ready, to: Waiting },
  assigned: { from: Ready, to: Sent },
  committed: { from: Sent, to: Committed },
  /** Given back by its slot, which hadn't begun it. */
  recalled: { from: Sent, to: Waiting },
  /** Its worker or slot is gone, or an object that it reads. */
  returned: { from: Sent, to: Waiting },
  delayed: { from: Sent, to: Delayed },
  delayOver: { from: Delayed, to: Waiting },
  failed: { from: Sent, to: Failed },
  /** An output that is needed again is held by nobody. */
  rebuild: { from: Committed, to: Waiting },
  /** The first instance of a region comes to life; then the last one is done. */
  entered: { from: Waiting, to: Inside },
  left: { from: Inside, to: Committed }
};
var Unmade = 0;
var Live = 1;
var Gone = 2;
var DEFAULTS = {
  creditMs: 20,
  batchesQueued: 2,
  singlesQueued: 32,
  batchTasks: 4096,
  recallMs: 2,
  maxDeaths: 3,
  transientRetries: 3,
  backoffMs: 100,
  maxBackoffMs: 3e4,
  instances: 32,
  instancesPerSlot: 32
};

// runtime/core/invariants.ts
function checkInvariants(state) {
  const fail2 = (what) => {
    throw new Error(`invariant broken: ${what}`);
  };
  const stages = state.stages.filter((stage2) => stage2 !== null);
  const sent = new Map(stages.map((stage2) => [stage2.index, []]));
  const slots = [...state.workers.values()].flatMap((worker) => worker.slots);
  for (const [index, worker] of state.workers) {
    for (const slot of worker.slots) {
      if (slot.worker !== index) fail2(`a slot of worker ${index} says it is ${slot.worker}'s`);
      if (slot.queue.length > state.settings.singlesQueued) fail2(`slot ${slot.slot} of worker ${index} has ${slot.queue.length} batches`);
      for (const { stage: stage2, next, end: end2 } of slot.queue) {
        if (next >= end2) fail2(`an empty batch of stage ${stage2}`);
        if (!sent.has(stage2)) fail2(`a batch of stage ${stage2}, which is retired`);
        for (let block2 = next; block2 < end2; block2++) sent.get(stage2).push(block2);
      }
    }
  }
  for (const { limit, index } of state.templates) {
    const using = slots.filter(({ queue }) => queue.some((batch) => state.stages[batch.stage].template.index === index)).length;
    if (limit && (using !== limit.using || using > limit.slots))
      fail2(`stages of ${state.plan.stages[index].id} use ${using} slots of ${limit.slots}, and count ${limit.using}`);
  }
  let unfinished = 0;
  for (const stage2 of stages) {
    const name = `stage ${stage2.id}`;
    const queued = sent.get(stage2.index);
    if (state.stages[stage2.index] !== stage2) fail2(`${name} isn't where its number says`);
    if (new Set(queued).size !== queued.length) fail2(`${name} has a task in two places`);
    for (const block2 of queued) if (stage2.state[block2] !== Sent) fail2(`${name} has task ${block2} in a queue, and it isn't Sent`);
    const count = (wanted) => stage2.state.reduce((sum, one) => sum + (one === wanted ? 1 : 0), 0);
    if (count(Sent) !== queued.length) fail2(`${name} has ${count(Sent)} tasks Sent and ${queued.length} in queues`);
    if (count(Ready) !== stage2.readyCount) fail2(`${name} counts ${stage2.readyCount} ready tasks, and has ${count(Ready)}`);
    if (stage2.readyCount > 0 && !state.ready.includes(stage2)) fail2(`${name} has ready tasks, and nobody will look`);
    if (stage2.tasks >= 0 && stage2.pending !== stage2.tasks - count(Committed)) fail2(`${name} counts ${stage2.pending} pending tasks`);
    if (isUnfinished(state, stage2)) unfinished++;
    if (stage2.available !== stage2.output.reduce((sum, one) => sum + (one === Live ? 1 : 0), 0))
      fail2(`${name} counts ${stage2.available} available blocks`);
    const using = slots.filter(({ queue }) => queue.some((batch) => batch.stage === stage2.index));
    if (using.length !== stage2.slotsUsing) fail2(`${name} counts ${stage2.slotsUsing} slots, and uses ${using.length}`);
    if (using.length > stage2.slotLimit) fail2(`${name} uses ${using.length} slots of ${stage2.slotLimit}`);
    checkInputs(state, stage2, fail2);
    for (let block2 = 0; block2 < stage2.blocks; block2++) {
      const holder = stage2.holder[block2];
      if (stage2.output[block2] === Live) {
        if (holder !== ENGINE && !state.workers.has(holder)) fail2(`${name} has block ${block2} at ${holder}, which isn't there`);
      } else if (holder !== NOBODY) fail2(`${name} has block ${block2} at ${holder}, and it isn't available`);
    }
  }
  checkConsumers(state, stages, fail2);
  checkInstances(state, stages, fail2);
  if (state.begun && isRunning(state) && unfinished !== state.unfinished)
    fail2(`${state.unfinished} stages are counted unfinished, ${unfinished} are`);
  if (state.begun && isRunning(state) && state.due.length + state.over.length > 0) fail2("the step ended before everything was settled");
}
var isRunning = ({ status }) => status === "running" || status === "collecting";
function isUnfinished(state, stage2) {
  if (state.plan.stages[stage2.template.index].tasks.kind === "given") return false;
  return stage2.tasks < 0 || stage2.pending > 0;
}
var isWhole = ({ blocks: blocks2, available, pending }) => blocks2 >= 0 && available === blocks2 && !(blocks2 === 0 && pending > 0);
function checkInputs(state, stage2, fail2) {
  if (state.begun && isWhole(stage2) !== stage2.present && isRunning(state))
    fail2(`stage ${stage2.id} is whole: ${isWhole(stage2)}, and says otherwise`);
  if (stage2.tasks < 0 || stage2.pending === 0) return;
  const gate = stage2.whole.filter((producer) => !state.stages[producer].present).length + stage2.points.filter(({ producer, block: block2 }) => state.stages[producer].output[block2] !== Live).length;
  if (gate !== stage2.gate) fail2(`stage ${stage2.id} lacks ${gate} inputs, and counts ${stage2.gate}`);
  for (let task = 0; task < stage2.tasks; task++) {
    const here = stage2.state[task];
    if (here === Committed) continue;
    const missing = stage2.oneToOne.filter((producer) => state.stages[producer].output[task] !== Live).length + lackingInside(state, stage2, task);
    if (missing !== stage2.missing[task]) fail2(`task ${task} of ${stage2.id} lacks ${missing} inputs, and counts ${stage2.missing[task]}`);
    if (here === Ready && (missing > 0 || gate > 0)) fail2(`task ${task} of ${stage2.id} is ready, and lacks inputs`);
    if (missing > 0 || !state.begun || state.status !== "running") continue;
    if (here === Waiting && gate === 0 || here === Inside) fail2(`task ${task} of ${stage2.id} waits for nothing`);
  }
}
function lackingInside(state, stage2, task) {
  const { control } = stage2;
  if (!control || control.kind === "each" && !control.inside) return 0;
  if (control.kind !== "each" && stage2.state[task] === Waiting) return 0;
  const instance = instancesOf(stage2).find((one) => one.task === task && !one.detached);
  if (!instance) return control.kind === "each" ? control.reads.length + 1 : 0;
  return instance.reads.filter((read) => !state.stages[read].present).length + (instance.unfinished > 0 ? 1 : 0);
}
function instancesOf({ control }) {
  if (control?.kind === "each") return [...control.instances.values()];
  if (control?.kind === "loop") return control.instances;
  return control?.instance ? [control.instance] : [];
}
function checkConsumers(state, stages, fail2) {
  const known = new Tally();
  const reads = new Tally();
  const claims = new Tally();
  for (const stage2 of stages) {
    const { index } = stage2;
    for (const consumer of stage2.wholeConsumers) known.add("whole", consumer, index);
    for (const consumer of stage2.oneToOneConsumers) known.add("blocks", consumer, index);
    for (const one of stage2.taskConsumers) known.add("task", one.stage, one.task, index);
    for (const [block2, consumers2] of stage2.pointConsumers) for (const consumer of consumers2) known.add("point", consumer, index, block2);
    const isOpen2 = stage2.tasks < 0 || stage2.pending > 0;
    for (const producer of stage2.whole) {
      reads.add("whole", index, producer);
      if (isOpen2) claims.add(producer);
    }
    for (const producer of stage2.oneToOne) reads.add("blocks", index, producer);
    for (const { producer, block: block2 } of stage2.points) {
      reads.add("point", index, producer, block2);
      if (isOpen2) claims.add(producer, block2);
    }
    for (const { task, detached, reads: inside } of instancesOf(stage2)) {
      if (detached) continue;
      for (const producer of inside) {
        reads.add("task", index, task, producer);
        claims.add(producer);
      }
    }
  }
  for (const [a, b] of [
    [reads, known],
    [known, reads]
  ])
    for (const [what, times] of a.counts)
      if (b.counts.get(what) !== times) fail2(`${what} is read ${reads.counts.get(what)} times, and known ${known.counts.get(what)}`);
  for (const stage2 of stages) {
    if (stage2.claims !== claims.of(stage2.index)) fail2(`${stage2.id} is claimed ${claims.of(stage2.index)} times, and counts ${stage2.claims}`);
    for (let block2 = 0; block2 < stage2.blocks; block2++) {
      let uses = claims.of(stage2.index, block2);
      for (const index of stage2.oneToOneConsumers) {
        const reader = state.stages[index];
        if (reader.tasks < 0 || reader.state[block2] !== Committed) uses++;
      }
      if (uses !== stage2.uses[block2]) fail2(`block ${block2} of ${stage2.id} has ${uses} uses, and counts ${stage2.uses[block2]}`);
    }
  }
}
var Tally = class {
  counts = /* @__PURE__ */ new Map();
  add(...what) {
    const key = what.join(" ");
    this.counts.set(key, (this.counts.get(key) ?? 0) + 1);
  }
  of(...what) {
    return this.counts.get(what.join(" ")) ?? 0;
  }
};
function checkInstances(state, stages, fail2) {
  const unfinished = /* @__PURE__ */ new Map();
  for (const stage2 of stages) {
    if (!isUnfinished(state, stage2)) continue;
    for (let at = stage2.instance; at; at = at.around) unfinished.set(at, (unfinished.get(at) ?? 0) + 1);
  }
  for (const stage2 of stages)
    for (const instance of instancesOf(stage2))
      if ((unfinished.get(instance) ?? 0) !== instance.unfinished)
        fail2(
          `instance ${instance.number} of ${stage2.id} counts ${instance.unfinished} stages unfinished, ${unfinished.get(instance) ?? 0} are`
        );
}

// runtime/core/ranges.ts
var RangeQueue = class {
  firsts = [];
  ends = [];
  head = 0;
  get length() {
    return this.firsts.length - this.head;
  }
  /** Entry `place` from the front. */
  first(place) {
    return this.firsts[this.head + place];
  }
  end(place) {
    return this.ends[this.head + place];
  }
  push(first, end2) {
    const last2 = this.firsts.length - 1;
    if (last2 >= this.head && this.ends[last2] === first) this.ends[last2] = end2;
    else {
      this.firsts.push(first);
      this.ends.push(end2);
    }
  }
  pushFront(first, end2) {
    if (this.head > 0) {
      this.head--;
      this.firsts[this.head] = first;
      this.ends[this.head] = end2;
    } else {
      this.firsts.unshift(first);
      this.ends.unshift(end2);
    }
  }
  /** Entry `place` now begins at `first`; gone when nothing is left of it. */
  cut(place, first) {
    const at = this.head + place;
    this.firsts[at] = first;
    if (first < this.ends[at]) return;
    if (place === 0) {
      this.head++;
      if (this.head > 1024 && this.head * 2 > this.firsts.length) {
        this.firsts = this.firsts.slice(this.head);
        this.ends = this.ends.slice(this.head);
        this.head = 0;
      }
    } else {
      this.firsts.splice(at, 1);
      this.ends.splice(at, 1);
    }
  }
  /** Cuts blocks `first … end - 1` out of entry `place`. */
  take(place, first, end2) {
    const at = this.head + place;
    const entryEnd = this.ends[at];
    if (first === this.firsts[at]) {
      this.cut(place, end2);
      return;
    }
    this.ends[at] = first;
    if (end2 < entryEnd) {
      this.firsts.splice(at + 1, 0, end2);
      this.ends.splice(at + 1, 0, entryEnd);
    }
  }
  clear() {
    this.firsts = [];
    this.ends = [];
    this.head = 0;
  }
};

// runtime/core/columns.ts
var NO_BYTES = new Uint8Array(0);
var NO_COUNTS = new Uint16Array(0);
var NO_HOLDERS = new Int32Array(0);
function blankStage(index, plan, template, instance) {
  const planned = plan.stages[template.index];
  const { strategy, within } = planned;
  const control = controlOf(plan, template.index);
  const path = instance === null ? "" : `[${instance.key.filter((_, place) => place % 2 === 1).join(".")}]`;
  return {
    index,
    id: `${planned.id}${path}`,
    template,
    instance,
    control,
    key: [...instance?.key ?? [], template.priority],
    producers: [],
    oneToOne: [],
    whole: [],
    points: [],
    oneToOneConsumers: [],
    wholeConsumers: [],
    pointConsumers: /* @__PURE__ */ new Map(),
    taskConsumers: [],
    bound: -1,
    value: Number.NaN,
    cutsList: planned.output === "blocks",
    // What an effect gives, and a control stage, is nothing that could be lost: it is kept, so that it never seems to be.
    pinned: template.isEffect || control !== null && control.kind !== "each",
    slotLimit: strategy.kind === "data" ? template.limit ? Number.POSITIVE_INFINITY : strategy.slots ?? Number.POSITIVE_INFINITY : 1,
    single: within !== void 0 || control?.kind === "each" && control.inside,
    retries: planned.options.retries ?? null,
    tasks: -1,
    blocks: -1,
    started: false,
    state: NO_BYTES,
    attempt: NO_COUNTS,
    missing: NO_COUNTS,
    gate: 0,
    ready: new RangeQueue(),
    readyCount: 0,
    listed: false,
    pending: 0,
    slotsUsing: 0,
    failures: /* @__PURE__ */ new Map(),
    deaths: /* @__PURE__ */ new Map(),
    late: /* @__PURE__ */ new Set(),
    output: NO_BYTES,
    holder: NO_HOLDERS,
    copies: /* @__PURE__ */ new Map(),
    uses: NO_COUNTS,
    claims: 0,
    available: 0,
    present: false
  };
}
function controlOf(plan, index) {
  const { tasks, inputs } = plan.stages[index];
  switch (tasks.kind) {
    case "each": {
      const { region } = tasks;
      const reads = inputs.flatMap(
        (input, place) => "stage" in input && input.kind !== "item" && plan.stages[input.stage].region === region ? [{ input: place, stage: input.stage }] : []
      );
      const inside = plan.regions[region].stages.length > 0;
      return { kind: "each", region, inside, reads, instances: /* @__PURE__ */ new Map(), next: 0, again: [], listed: false };
    }
    case "branch":
      return { kind: "branch", tasks, instance: null };
    case "loop":
      return { kind: "loop", tasks, instances: [] };
    default:
      return null;
  }
}
function lacking({ oneToOne, control }) {
  return oneToOne.length + (control?.kind === "each" && control.inside ? control.reads.length + 1 : 0);
}
function allocateTasks(stage2, tasks) {
  stage2.tasks = tasks;
  stage2.pending = tasks;
  stage2.state = new Uint8Array(tasks);
  stage2.attempt = new Uint16Array(tasks).fill(1);
  stage2.missing = new Uint16Array(tasks).fill(lacking(stage2));
  if (!stage2.cutsList) allocateBlocks(stage2, tasks);
}
function allocateBlocks(stage2, blocks2) {
  stage2.blocks = blocks2;
  stage2.output = new Uint8Array(blocks2);
  stage2.holder = new Int32Array(blocks2).fill(NOBODY);
  stage2.uses = new Uint16Array(blocks2).fill(stage2.oneToOneConsumers.length);
}

// runtime/core/order.ts
function before(a, b) {
  const common = Math.min(a.length, b.length);
  for (let i = 0; i < common; i++) if (a[i] !== b[i]) return a[i] - b[i];
  return a.length - b.length;
}
function insert(list, stage2, inner) {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = low + high >> 1;
    const other = list[middle];
    const order = before(other.key, stage2.key);
    const nested = other.key.length !== stage2.key.length && isPrefix(other.key, stage2.key);
    if ((nested ? order * inner : order) <= 0) low = middle + 1;
    else high = middle;
  }
  list.splice(low, 0, stage2);
}
function isPrefix(a, b) {
  const common = Math.min(a.length, b.length);
  for (let i = 0; i < common; i++) if (a[i] !== b[i]) return false;
  return true;
}
function listReady(state, stage2) {
  if (stage2.listed) return;
  stage2.listed = true;
  insert(state.ready, stage2, 1);
}
function listExpandable(state, stage2) {
  if (stage2.control?.kind !== "each" || stage2.control.listed) return;
  stage2.control.listed = true;
  insert(state.expandable, stage2, -1);
}
function priorities(plan) {
  const edges = consumers(plan);
  const height = new Array(plan.stages.length).fill(0);
  let changed = true;
  for (let round = 0; changed && round < 4; round++) {
    changed = false;
    for (let index = height.length - 1; index >= 0; index--) {
      for (const { to, wait } of edges[index]) {
        if (height[index] >= height[to] + wait) continue;
        height[index] = height[to] + wait;
        changed = true;
      }
    }
    if (plan.regions.length === 0) break;
  }
  const places = new Array(height.length).fill(0);
  const order = height.map((_, index) => index).sort((a, b) => height[b] - height[a] || b - a);
  order.forEach((index, place) => {
    places[index] = place;
  });
  return places;
}
function consumers(plan) {
  const edges = plan.stages.map(() => []);
  plan.stages.forEach(({ inputs, tasks }, to) => {
    for (const input of inputs)
      if ("stage" in input) edges[input.stage].push({ to, wait: input.kind === "block" || input.kind === "item" ? 0 : 1 });
    switch (tasks.kind) {
      case "branch":
        for (const { given, then, else: otherwise } of tasks.gives)
          for (const from of [to, then, otherwise]) edges[from].push({ to: given, wait: 0 });
        for (const region of [tasks.then, tasks.else])
          for (const stage2 of plan.regions[region].stages) edges[to].push({ to: stage2, wait: 0 });
        return;
      case "loop":
        for (const { given, init, next, final } of tasks.carried) {
          edges[init].push({ to: given, wait: 0 });
          for (const from of [to, next]) edges[from].push({ to: final, wait: 0 });
        }
        edges[tasks.decision].push({ to, wait: 1 });
        return;
    }
  });
  return edges;
}

// runtime/core/transitions.ts
var STORY_ENTRIES = 4096;
function move(state, stage2, first, last2, cause) {
  const { from, to } = TRANSITIONS[cause];
  const column = stage2.state;
  for (let i = first; i < last2; i++) if (column[i] !== from) throw illegal(state, stage2, i, cause);
  column.fill(to, first, last2);
  if (state.story.length >= STORY_ENTRIES) state.story.splice(0, STORY_ENTRIES / 2);
  state.story.push({ stage: stage2.index, first, end: last2, cause });
}
function illegal(state, stage2, task, cause) {
  const story = state.story.filter((entry) => entry.stage === stage2.index && entry.first <= task && task < entry.end).map((entry) => entry.cause);
  return new Error(
    `bug: task ${task} of ${stage2.id} is ${TASK_STATES[stage2.state[task]]} and can't be \`${cause}\`; its story: ${story.join(", ")}`
  );
}

// runtime/core/tasks.ts
function opened(state, stage2, commands) {
  for (const producer of stage2.oneToOne) {
    const made2 = state.stages[producer];
    if (made2.blocks < 0) continue;
    checkBlocks(stage2, made2);
    if (made2.available === 0) continue;
    for (let i = 0; i < stage2.tasks; i++) if (made2.output[i] === Live) stage2.missing[i]--;
  }
  if (stage2.control?.kind === "each" && stage2.control.inside) listExpandable(state, stage2);
  makeReady(state, stage2, 0, stage2.tasks);
  if (stage2.blocks >= 0) for (const consumer of stage2.oneToOneConsumers) size(state, state.stages[consumer], stage2.blocks, commands);
  if (stage2.pending === 0) stageDone(state, stage2, commands);
}
function checkBlocks(stage2, made2) {
  if (made2.blocks !== stage2.tasks)
    throw new Error(`bug: ${stage2.id} has ${stage2.tasks} tasks and reads ${made2.blocks} blocks of ${made2.id}`);
}
function size(state, stage2, tasks, commands) {
  if (stage2.tasks >= 0) return;
  allocateTasks(stage2, tasks);
  if (state.begun) opened(state, stage2, commands);
}
function makeReady(state, stage2, first, last2) {
  if (stage2.control && stage2.control.kind !== "each") {
    state.due.push(stage2);
    return;
  }
  if (stage2.gate > 0) return;
  const { state: column, missing } = stage2;
  let i = first;
  while (i < last2) {
    while (i < last2 && !(column[i] === Waiting && missing[i] === 0)) i++;
    const start = i;
    while (i < last2 && column[i] === Waiting && missing[i] === 0) i++;
    if (i === start) continue;
    move(state, stage2, start, i, "inputsPresent");
    stage2.readyCount += i - start;
    listReady(state, stage2);
    queueReady(state, stage2, start, i);
  }
}
function queueReady(state, stage2, first, last2) {
  if (stage2.deaths.size === 0) {
    stage2.ready.push(first, last2);
    return;
  }
  for (let i = first; i < last2; i++) {
    if (stage2.deaths.has(i)) state.suspects.push({ stage: stage2.index, block: i });
    else stage2.ready.push(i, i + 1);
  }
}
function returnTasks(state, stage2, first, last2) {
  move(state, stage2, first, last2, "returned");
  for (let i = first; i < last2; i++) stage2.attempt[i]++;
}
function readyAgain(state, stage2, first, last2) {
  if (state.status === "running" || state.status === "collecting") makeReady(state, stage2, first, last2);
}
function loseReady(state, stage2, first, last2) {
  for (let i = first; i < last2; i++) {
    if (stage2.state[i] !== Ready) continue;
    move(state, stage2, i, i + 1, "inputsLost");
    stage2.readyCount--;
  }
}
var isOpen = (stage2) => stage2.tasks < 0 || stage2.pending > 0;
function readWhole(state, stage2, producer, commands) {
  producer.wholeConsumers.push(stage2.index);
  if (!isOpen(stage2)) return;
  producer.claims++;
  if (producer.present) return;
  stage2.gate++;
  needAllAgain(state, producer, commands);
}
function readOneToOne(state, stage2, producer, commands) {
  producer.oneToOneConsumers.push(stage2.index);
  for (let block2 = 0; block2 < producer.blocks; block2++) producer.uses[block2]++;
  needAllAgain(state, producer, commands);
}
function readPoint(state, stage2, producer, block2, commands) {
  const consumers2 = producer.pointConsumers.get(block2);
  if (consumers2) consumers2.push(stage2.index);
  else producer.pointConsumers.set(block2, [stage2.index]);
  producer.uses[block2]++;
  if (producer.output[block2] === Live) return;
  stage2.gate++;
  needAgain(state, producer, block2, commands);
}
function readByTask(state, owner, task, producer, commands) {
  producer.taskConsumers.push({ stage: owner.index, task });
  producer.claims++;
  if (!producer.present) {
    needAllAgain(state, producer, commands);
    return;
  }
  owner.missing[task]--;
  makeReady(state, owner, task, task + 1);
}
function readNoMore(state, owner, task, producer, commands) {
  const { taskConsumers } = producer;
  taskConsumers.splice(
    taskConsumers.findIndex((one) => one.stage === owner.index && one.task === task),
    1
  );
  producer.claims--;
  release(state, producer, 0, producer.blocks, commands);
}
function made(state, stage2, first, last2, holder, commands) {
  const { output } = stage2;
  let added = 0;
  for (let i = first; i < last2; i++) if (output[i] !== Live) added++;
  if (added === last2 - first) present(state, stage2, first, last2, holder);
  else for (let i = first; i < last2; i++) if (output[i] !== Live) present(state, stage2, i, i + 1, holder);
  stage2.available += added;
  if (added > 0 && stage2.available === stage2.blocks) wholePresent(state, stage2);
  release(state, stage2, first, last2, commands);
}
function present(state, stage2, first, last2, holder) {
  stage2.output.fill(Live, first, last2);
  stage2.holder.fill(holder, first, last2);
  for (const consumer of stage2.oneToOneConsumers) arrived(state, state.stages[consumer], first, last2);
  for (const [block2, consumers2] of stage2.pointConsumers)
    if (first <= block2 && block2 < last2) for (const consumer of consumers2) gateOpens(state, state.stages[consumer]);
}
function arrived(state, consumer, first, last2) {
  if (consumer.tasks < 0) return;
  for (let i = first; i < last2; i++) if (consumer.state[i] !== Committed) consumer.missing[i]--;
  makeReady(state, consumer, first, last2);
}
function gateOpens(state, consumer) {
  if (!isOpen(consumer)) return;
  consumer.gate--;
  if (consumer.gate === 0 && consumer.tasks >= 0) makeReady(state, consumer, 0, consumer.tasks);
}
function gateCloses(state, consumer) {
  if (!isOpen(consumer)) return;
  consumer.gate++;
  if (consumer.tasks >= 0) loseReady(state, consumer, 0, consumer.tasks);
}
function wholePresent(state, stage2) {
  stage2.present = true;
  for (const consumer of stage2.wholeConsumers) gateOpens(state, state.stages[consumer]);
  for (const { stage: index, task } of stage2.taskConsumers) {
    const owner = state.stages[index];
    owner.missing[task]--;
    makeReady(state, owner, task, task + 1);
  }
}
function stageDone(state, stage2, commands) {
  state.unfinished--;
  if (stage2.tasks === 0 && !stage2.started) started(stage2, commands);
  commands.push({ type: "stageFinished", stage: stage2.index, tasks: stage2.tasks });
  if (stage2.tasks === 0 && !stage2.cutsList) wholePresent(state, stage2);
  for (const producer of stage2.whole) {
    const source = state.stages[producer];
    source.claims--;
    release(state, source, 0, source.blocks, commands);
  }
  for (const { producer, block: block2 } of stage2.points) used(state, state.stages[producer], block2, block2 + 1, commands);
  for (let instance = stage2.instance; instance; instance = instance.around) lessUnfinished(state, instance);
}
function started(stage2, commands) {
  stage2.started = true;
  commands.push({ type: "stageStarted", stage: stage2.index, tasks: stage2.tasks });
}
function lessUnfinished(state, instance) {
  if (--instance.unfinished > 0) return;
  const owner = state.stages[instance.owner];
  if (!instance.detached) {
    owner.missing[instance.task]--;
    makeReady(state, owner, instance.task, instance.task + 1);
  } else if (owner.control?.kind === "each") state.over.push(instance);
}
function used(state, producer, first, last2, commands) {
  for (let i = first; i < last2; i++) producer.uses[i]--;
  release(state, producer, first, last2, commands);
}
function release(_state, stage2, first, last2, commands) {
  if (stage2.pinned || stage2.claims > 0 || stage2.blocks < 0) return;
  const { output, uses, holder } = stage2;
  let i = first;
  while (i < last2) {
    while (i < last2 && !(output[i] === Live && uses[i] === 0)) i++;
    const start = i;
    while (i < last2 && output[i] === Live && uses[i] === 0 && holder[i] === holder[start]) i++;
    if (i === start) continue;
    commands.push({ type: "free", stage: stage2.index, first: start, count: i - start, holder: holder[start] });
    for (let block2 = start; block2 < i && stage2.copies.size > 0; block2++) {
      for (const copy of stage2.copies.get(block2) ?? [])
        commands.push({ type: "free", stage: stage2.index, first: block2, count: 1, holder: copy });
      stage2.copies.delete(block2);
    }
    output.fill(Gone, start, i);
    holder.fill(NOBODY, start, i);
    stage2.available -= i - start;
    stage2.present = false;
  }
}
function loseHolder(state, stage2, worker, commands) {
  let lost = 0;
  for (const [block2, copies] of stage2.copies) {
    const left = copies.filter((copy) => copy !== worker);
    if (left.length === 0) stage2.copies.delete(block2);
    else if (left.length < copies.length) stage2.copies.set(block2, left);
  }
  for (let block2 = 0; block2 < stage2.blocks; block2++) if (stage2.holder[block2] === worker && forget(state, stage2, block2, commands)) lost++;
  if (lost > 0) commands.push({ type: "objectsLost", stage: stage2.index, blocks: lost });
}
function drop(state, index, block2, worker, commands) {
  const stage2 = state.stages[index];
  if (!stage2) return;
  const copies = stage2.copies.get(block2);
  if (copies?.includes(worker))
    stage2.copies.set(
      block2,
      copies.filter((copy) => copy !== worker)
    );
  if (stage2.holder[block2] === worker && forget(state, stage2, block2, commands))
    commands.push({ type: "objectsLost", stage: index, blocks: 1 });
}
function forget(state, stage2, block2, commands) {
  const [next, ...rest] = stage2.copies.get(block2) ?? [];
  if (next !== void 0) {
    stage2.holder[block2] = next;
    stage2.copies.set(block2, rest);
    return false;
  }
  stage2.holder[block2] = NOBODY;
  if (stage2.output[block2] !== Live) return false;
  unavailable(state, stage2, block2);
  const needed = stage2.pinned || stage2.claims > 0 || stage2.uses[block2] > 0;
  if (!needed) {
    stage2.output[block2] = Gone;
    return false;
  }
  stage2.output[block2] = Unmade;
  remake(state, stage2, stage2.cutsList ? 0 : block2, commands);
  return true;
}
function unavailable(state, stage2, block2) {
  if (stage2.present) {
    stage2.present = false;
    for (const consumer of stage2.wholeConsumers) gateCloses(state, state.stages[consumer]);
    for (const { stage: index, task } of stage2.taskConsumers) lacksMore(state, state.stages[index], task);
  }
  stage2.available--;
  for (const consumer of stage2.pointConsumers.get(block2) ?? []) gateCloses(state, state.stages[consumer]);
  for (const index of stage2.oneToOneConsumers) {
    const consumer = state.stages[index];
    if (consumer.tasks >= 0 && consumer.state[block2] !== Committed) lacksMore(state, consumer, block2);
  }
}
function lacksMore(state, stage2, task) {
  stage2.missing[task]++;
  loseReady(state, stage2, task, task + 1);
}
function remake(state, stage2, task, commands) {
  if (stage2.state[task] !== Committed) return;
  if (state.status === "collecting") state.status = "running";
  move(state, stage2, task, task + 1, "rebuild");
  stage2.attempt[task]++;
  if (stage2.pending === 0) {
    state.unfinished++;
    for (let instance = stage2.instance; instance; instance = instance.around) moreUnfinished(state, instance);
    for (const producer of stage2.whole) state.stages[producer].claims++;
    for (const { producer, block: block2 } of stage2.points) state.stages[producer].uses[block2]++;
    stage2.gate = stage2.whole.filter((producer) => !state.stages[producer].present).length + stage2.points.filter(({ producer, block: block2 }) => state.stages[producer].output[block2] !== Live).length;
  }
  stage2.pending++;
  stage2.missing[task] = lacking(stage2) - stage2.oneToOne.filter((producer) => state.stages[producer].output[task] === Live).length;
  if (stage2.control?.kind === "each" && stage2.control.inside) {
    stage2.control.again.push(task);
    listExpandable(state, stage2);
  }
  for (const producer of stage2.oneToOne) {
    const source = state.stages[producer];
    source.uses[task]++;
    needAgain(state, source, task, commands);
  }
  for (const producer of stage2.whole) needAllAgain(state, state.stages[producer], commands);
  for (const { producer, block: block2 } of stage2.points) needAgain(state, state.stages[producer], block2, commands);
  makeReady(state, stage2, task, task + 1);
}
function moreUnfinished(state, instance) {
  if (instance.unfinished++ === 0 && !instance.detached) lacksMore(state, state.stages[instance.owner], instance.task);
}
function needAllAgain(state, stage2, commands) {
  if (stage2.available === stage2.blocks) return;
  for (let block2 = 0; block2 < stage2.blocks; block2++) needAgain(state, stage2, block2, commands);
}
function needAgain(state, stage2, block2, commands) {
  if (stage2.output[block2] !== Gone) return;
  stage2.output[block2] = Unmade;
  commands.push({ type: "objectsLost", stage: stage2.index, blocks: 1 });
  remake(state, stage2, stage2.cutsList ? 0 : block2, commands);
}
function releaseAll(stage2, commands) {
  for (let block2 = 0; block2 < stage2.blocks; block2++) {
    if (stage2.output[block2] !== Live) continue;
    for (const holder of [stage2.holder[block2], ...stage2.copies.get(block2) ?? []])
      if (holder !== ENGINE) commands.push({ type: "free", stage: stage2.index, first: block2, count: 1, holder });
  }
}

// runtime/core/regions.ts
function named(state, from, planned) {
  const { region, place } = state.templates[planned];
  let instance = from;
  while (instance && instance.region !== region) instance = instance.around;
  if (!instance && region !== null) throw new Error(`bug: ${state.plan.stages[planned].id} is named from outside its region`);
  return state.stages[(instance?.base ?? 0) + place];
}
function lookUp(state, from, planned) {
  let stage2 = named(state, from, planned);
  while (stage2.bound >= 0) stage2 = state.stages[stage2.bound];
  return stage2;
}
function overItem(state, from, planned) {
  for (let instance = from; instance; instance = instance.around) {
    const { tasks } = state.plan.stages[state.stages[instance.owner].template.index];
    if (tasks.kind === "each" && tasks.of === planned) return instance;
  }
  throw new Error(`bug: nothing around goes over ${state.plan.stages[planned].id}`);
}
function iterationOf(stage2, region) {
  for (let instance = stage2.instance; instance; instance = instance.around) if (instance.region === region) return instance.number;
  throw new Error(`bug: ${stage2.id} stands in no iteration of region ${region}`);
}
function addStages(state, planned, instance, commands) {
  const first = state.stages.length;
  for (const index of planned) {
    const stage2 = blankStage(state.stages.length, state.plan, state.templates[index], instance);
    state.stages.push(stage2);
    if (state.plan.stages[index].tasks.kind === "given") continue;
    if (instance?.again && stage2.template.isEffect) {
      hadEffect(stage2);
      continue;
    }
    state.unfinished++;
    for (let around = instance; around; around = around.around) around.unfinished++;
  }
  const added = state.stages.slice(first);
  for (const stage2 of added) {
    if (stage2.present) continue;
    link(state, stage2, commands);
    const { tasks } = state.plan.stages[stage2.template.index];
    if (stage2.template.tasks >= 0) allocateTasks(stage2, stage2.template.tasks);
    else if (tasks.kind === "perBlock" || tasks.kind === "each") {
      const { blocks: blocks2 } = lookUp(state, instance, tasks.of);
      if (blocks2 >= 0) allocateTasks(stage2, blocks2);
    }
  }
  if (!state.begun) return;
  const sized = added.filter((stage2) => stage2.tasks >= 0 && !stage2.present);
  for (const stage2 of sized) opened(state, stage2, commands);
}
function hadEffect(stage2) {
  allocateTasks(stage2, 0);
  stage2.present = true;
  stage2.started = true;
}
function link(state, stage2, commands) {
  const { inputs, tasks } = state.plan.stages[stage2.template.index];
  const whole = /* @__PURE__ */ new Set();
  const read = (input) => {
    if (!("stage" in input)) return -1;
    if (stage2.control?.kind === "each" && input.kind !== "item" && state.templates[input.stage].region === stage2.control.region) return -1;
    if (input.kind === "item" && !(tasks.kind === "each" && tasks.of === input.stage)) {
      const over = overItem(state, stage2.instance, input.stage);
      const producer2 = lookUp(state, over.around, input.stage);
      stage2.points.push({ producer: producer2.index, block: over.number });
      readPoint(state, stage2, producer2, over.number, commands);
      return producer2.index;
    }
    const producer = lookUp(state, stage2.instance, input.stage);
    if (input.kind === "item") return producer.index;
    if (input.kind === "block") {
      stage2.oneToOne.push(producer.index);
      readOneToOne(state, stage2, producer, commands);
      return producer.index;
    }
    whole.add(input.stage);
    stage2.whole.push(producer.index);
    readWhole(state, stage2, producer, commands);
    return producer.index;
  };
  for (const input of inputs) stage2.producers.push(read(input));
  if (tasks.kind === "each") {
    const items = lookUp(state, stage2.instance, tasks.of);
    stage2.oneToOne.push(items.index);
    readOneToOne(state, stage2, items, commands);
  }
  for (const planned of handedOn(state, stage2.control)) {
    if (whole.has(planned)) continue;
    whole.add(planned);
    const producer = lookUp(state, stage2.instance, planned);
    stage2.whole.push(producer.index);
    readWhole(state, stage2, producer, commands);
  }
}
function handedOn(state, control) {
  if (control?.kind === "loop") return control.tasks.carried.map(({ init }) => init);
  if (control?.kind !== "branch") return [];
  const { gives, then, else: otherwise } = control.tasks;
  const around = (stage2, region) => state.templates[stage2].region === region ? [] : [stage2];
  return gives.flatMap((one) => [...around(one.then, then), ...around(one.else, otherwise)]);
}
function instantiate(state, owner, wanted, commands) {
  const { region, task, number, again } = wanted;
  const planned = state.plan.regions[region].stages;
  const instance = {
    region,
    number,
    owner: owner.index,
    task,
    around: owner.instance,
    base: state.stages.length,
    stages: planned.length,
    key: [...owner.key, number],
    reads: [],
    // One too many while it is being made.
    unfinished: 1,
    detached: false,
    again: again || (owner.instance?.again ?? false)
  };
  addStages(state, planned, instance, commands);
  for (const { given, to } of wanted.bind) bind(state, named(state, instance, given), to, commands);
  for (const read of wanted.reads) {
    const producer = lookUp(state, instance, read);
    instance.reads.push(producer.index);
    readByTask(state, owner, task, producer, commands);
  }
  lessUnfinished(state, instance);
  return instance;
}
function letGo(state, owner, instance, commands) {
  for (const read of instance.reads) readNoMore(state, owner, instance.task, state.stages[read], commands);
  instance.detached = true;
  if (owner.control?.kind !== "each") return;
  owner.control.instances.delete(instance.task);
  if (instance.unfinished === 0) state.over.push(instance);
}
function bind(state, given, to, commands) {
  given.bound = to.index;
  given.claims = 0;
  if (given.pinned) to.pinned = true;
  const replace = (list) => {
    for (let i = 0; i < list.length; i++) if (list[i] === given.index) list[i] = to.index;
  };
  for (const index of given.wholeConsumers.splice(0)) {
    const consumer = state.stages[index];
    replace(consumer.whole);
    replace(consumer.producers);
    if (isOpen(consumer)) consumer.gate--;
    readWhole(state, consumer, to, commands);
    if (consumer.gate === 0 && consumer.tasks >= 0 && state.begun) makeReady(state, consumer, 0, consumer.tasks);
  }
  for (const index of given.oneToOneConsumers.splice(0)) {
    const consumer = state.stages[index];
    replace(consumer.oneToOne);
    replace(consumer.producers);
    readOneToOne(state, consumer, to, commands);
    if (to.blocks < 0) continue;
    if (consumer.tasks < 0) {
      size(state, consumer, to.blocks, commands);
      continue;
    }
    checkBlocks(consumer, to);
    for (let i = 0; i < to.blocks; i++) if (to.output[i] === Live) consumer.missing[i]--;
    makeReady(state, consumer, 0, consumer.tasks);
  }
  for (const { stage: index, task } of given.taskConsumers.splice(0)) {
    const owner = state.stages[index];
    const instance = instanceFor(owner, task);
    replace(instance.reads);
    readByTask(state, owner, task, to, commands);
  }
  if (to.pinned) needAllAgain(state, to, commands);
}
function instanceFor({ control, id }, task) {
  const found = control?.kind === "each" ? control.instances.get(task) : control?.kind === "loop" ? control.instances.at(-1) : control?.instance;
  if (!found) throw new Error(`bug: ${id} has no instance for its task ${task}`);
  return found;
}
function expand(state, commands) {
  let slots = 0;
  for (const worker of state.workers.values()) slots += worker.slots.length;
  const most = state.settings.instances + state.settings.instancesPerSlot * slots;
  for (let i = 0; i < state.expandable.length; i++) {
    const stage2 = state.expandable[i];
    const control = stage2.control;
    if (control.next >= stage2.tasks && control.again.length === 0) {
      state.expandable.splice(i--, 1);
      control.listed = false;
      continue;
    }
    if (stage2.gate > 0 || control.instances.size >= most) continue;
    const before2 = control.again.shift();
    const task = before2 ?? control.next++;
    const reads = control.reads.map((read) => read.stage);
    const { region } = control;
    const instance = instantiate(state, stage2, { region, task, number: task, again: before2 !== void 0, reads, bind: [] }, commands);
    control.instances.set(task, instance);
    settle(state, commands);
    return true;
  }
  return false;
}
function settle(state, commands) {
  while (state.due.length > 0 || state.over.length > 0) {
    const stage2 = state.due.pop();
    if (!stage2) retire(state, state.over.pop(), commands);
    else if (state.stages[stage2.index] === stage2 && state.begun) look(state, stage2, commands);
  }
}
function look(state, stage2, commands) {
  const { control } = stage2;
  if (stage2.state[0] === Waiting && stage2.gate === 0) {
    if (!stage2.started) started(stage2, commands);
    move(state, stage2, 0, 1, "entered");
    if (control?.kind === "branch") enterBranch(state, stage2, control, commands);
    else if (control?.kind === "loop") enterLoop(state, stage2, control, commands);
  } else if (stage2.state[0] === Inside && stage2.missing[0] === 0) {
    if (control?.kind === "branch") {
      control.instance.detached = true;
      leave(state, stage2, commands);
    } else if (control?.kind === "loop") goOn(state, stage2, control, commands);
  }
}
function decided(stage2) {
  if (Number.isNaN(stage2.value)) throw new Error(`bug: the run goes by ${stage2.id}, whose value was never told`);
  return stage2.value;
}
function enterBranch(state, stage2, control, commands) {
  const { gives, then, else: otherwise } = control.tasks;
  const met = decided(state.stages[stage2.producers[0]]) !== 0;
  stage2.missing[0] = 1;
  const wanted = { region: met ? then : otherwise, task: 0, number: 0, again: false, reads: [], bind: [] };
  const instance = control.instance = instantiate(state, stage2, wanted, commands);
  for (const one of gives)
    bind(state, named(state, stage2.instance, one.given), lookUp(state, instance, met ? one.then : one.else), commands);
}
function enterLoop(state, stage2, control, commands) {
  iterate(state, stage2, control, (carried) => lookUp(state, stage2.instance, carried.init), commands);
}
function iterate(state, stage2, control, start, commands) {
  const { region, carried, decision: decision2 } = control.tasks;
  const reads = [decision2, ...carried.map(({ next }) => next)];
  stage2.missing[0] = reads.length + 1;
  const bound = carried.map((one) => ({ given: one.given, to: start(one) }));
  const number = control.instances.length;
  control.instances.push(instantiate(state, stage2, { region, task: 0, number, again: false, reads, bind: bound }, commands));
}
function goOn(state, stage2, control, commands) {
  const { carried, decision: decision2 } = control.tasks;
  const last2 = control.instances.at(-1);
  const nextOf = ({ next }) => lookUp(state, last2, next);
  const over = decided(lookUp(state, last2, decision2)) !== 0;
  if (over) for (const one of carried) bind(state, named(state, stage2.instance, one.final), nextOf(one), commands);
  else {
    last2.detached = true;
    iterate(state, stage2, control, nextOf, commands);
  }
  letGo(state, stage2, last2, commands);
  if (over) leave(state, stage2, commands);
}
function leave(state, stage2, commands) {
  move(state, stage2, 0, 1, "left");
  stage2.pending = 0;
  made(state, stage2, 0, 1, ENGINE, commands);
  stageDone(state, stage2, commands);
}
function retire(state, instance, commands) {
  const stages = [];
  const go = ({ base, stages: count }) => {
    for (let index = base; index < base + count; index++) {
      const stage2 = state.stages[index];
      if (!stage2) continue;
      if (stage2.control?.kind === "branch" && stage2.control.instance) go(stage2.control.instance);
      if (stage2.control?.kind === "loop") stage2.control.instances.forEach(go);
      unlink(state, stage2, instance.base);
      releaseAll(stage2, commands);
      stages.push(index);
    }
  };
  go(instance);
  for (const index of stages) state.stages[index] = null;
  commands.push({ type: "retired", stages });
}
function unlink(state, stage2, base) {
  const remove = (list) => {
    const at = list?.indexOf(stage2.index) ?? -1;
    if (at >= 0) list.splice(at, 1);
  };
  for (const producer of stage2.whole) if (producer < base) remove(state.stages[producer]?.wholeConsumers);
  for (const producer of stage2.oneToOne) if (producer < base) remove(state.stages[producer]?.oneToOneConsumers);
  for (const { producer, block: block2 } of stage2.points) {
    if (producer >= base) continue;
    const consumers2 = state.stages[producer]?.pointConsumers;
    remove(consumers2?.get(block2));
    if (consumers2?.get(block2)?.length === 0) consumers2.delete(block2);
  }
}

// runtime/core/templates.ts
var MAX_BLOCKS = 1 << 26;
var StartError = class extends Error {
  name = "StartError";
  stage;
  constructor(stage2, message) {
    super(message);
    this.stage = stage2;
  }
};
function templatesOf(plan, params) {
  const order = priorities(plan);
  const decides = decisive(plan);
  const place = new Array(plan.stages.length).fill(0);
  let ofRun = 0;
  plan.stages.forEach((stage2, index) => {
    if (stage2.region === void 0) place[index] = ofRun++;
  });
  for (const { stages } of plan.regions)
    stages.forEach((stage2, at) => {
      place[stage2] = at;
    });
  return plan.stages.map((stage2, index) => {
    const { strategy, region = null } = stage2;
    const limited = region !== null && strategy.kind === "data" && strategy.slots !== null ? strategy.slots : null;
    return {
      index,
      region,
      place: place[index],
      priority: order[index],
      tasks: knownTasks(plan, index, params),
      decides: decides.has(index),
      isEffect: stage2.effect ?? false,
      limit: limited === null ? null : { slots: limited, using: 0 },
      taskMs: Number.NaN
    };
  });
}
function knownTasks(plan, index, params) {
  const { tasks, name } = plan.stages[index];
  switch (tasks.kind) {
    case "one":
    case "branch":
    case "loop":
      return 1;
    case "range":
      return scalar(tasks.blocks, name, params);
    case "perBlock":
    case "each":
    case "given":
      return -1;
  }
}
function scalar(value2, stage2, params) {
  const found = value2.kind === "const" ? value2.value : params[value2.name];
  if (typeof found !== "number" || !Number.isInteger(found) || found < 0 || found > MAX_BLOCKS) {
    throw new StartError(stage2, `a range has between 0 and ${MAX_BLOCKS} blocks, not ${String(found)}`);
  }
  return found;
}
function decisive(plan) {
  const found = /* @__PURE__ */ new Set();
  const standsFor = /* @__PURE__ */ new Map();
  const may = (given, ...stages) => standsFor.set(given, [...standsFor.get(given) ?? [], ...stages]);
  const asked = [];
  for (const { tasks, inputs } of plan.stages) {
    if (tasks.kind === "branch") {
      const condition = inputs[0];
      if (condition?.kind === "value") asked.push(condition.stage);
      for (const one of tasks.gives) may(one.given, one.then, one.else);
    } else if (tasks.kind === "loop") {
      asked.push(tasks.decision);
      for (const { given, init, next, final } of tasks.carried) {
        may(given, init, next);
        may(final, next);
      }
    }
  }
  for (let stage2 = asked.pop(); stage2 !== void 0; stage2 = asked.pop()) {
    if (found.has(stage2)) continue;
    found.add(stage2);
    asked.push(...standsFor.get(stage2) ?? []);
  }
  return found;
}

// runtime/core/state.ts
function createState({ plan, params, settings, kept = /* @__PURE__ */ new Map() }) {
  const state = {
    settings: { ...DEFAULTS, ...settings },
    plan,
    templates: templatesOf(plan, params),
    stages: [],
    workers: /* @__PURE__ */ new Map(),
    ready: [],
    expandable: [],
    due: [],
    over: [],
    suspects: [],
    unfinished: 0,
    begun: false,
    status: "running",
    story: []
  };
  const ofRun = state.templates.filter(({ region }) => region === null).map(({ index }) => index);
  addStages(state, ofRun, null, []);
  const ofPlan = (index) => state.stages[state.templates[index].place];
  for (const { from } of plan.outputs) if (from.kind === "stage") ofPlan(from.stage).pinned = true;
  for (const [index, value2] of kept) {
    const stage2 = ofPlan(index);
    stage2.state.fill(Committed);
    stage2.pending = 0;
    stage2.output.fill(Live);
    stage2.holder.fill(ENGINE);
    stage2.available = 1;
    stage2.present = true;
    stage2.started = true;
    stage2.value = value2;
    for (const consumer of stage2.wholeConsumers) state.stages[consumer].gate--;
    state.unfinished--;
  }
  return state;
}

// runtime/core/placing.ts
function schedule(state, commands) {
  if (state.suspects.length > 0) scheduleSuspects(state, commands);
  const slots = [];
  for (const worker of state.workers.values()) if (!worker.alone) slots.push(...worker.slots);
  let gave = true;
  while (gave) {
    gave = false;
    let hungry = false;
    slots.sort((a, b) => a.queue.length - b.queue.length);
    for (const slot of slots) {
      const what = fill(state, slot, slots.length, commands);
      if (what === "given") gave = true;
      else if (what === "hungry") hungry = true;
    }
    if (!gave && hungry && state.expandable.length > 0) gave = expand(state, commands);
  }
  for (const slot of slots) if (slot.queue.length === 0) recall(state, slot, commands);
}
function recall(state, idle, commands) {
  let most = state.settings.recallMs;
  let from = null;
  for (const { slots } of state.workers.values()) {
    for (const slot of slots) {
      const ms = slot.recalling ? 0 : recallableMs(state, slot, idle);
      if (ms === 0 || ms < most) continue;
      most = ms;
      from = slot;
    }
  }
  if (!from) return;
  const batch = from.queue.at(-1);
  const { stage: stage2, next, end: last2, attempt } = batch;
  const count = from.queue.length > 1 ? last2 - next : Math.ceil((last2 - next - 1) / 2);
  from.recalling = batch;
  commands.push({ type: "recall", worker: from.worker, slot: from.slot, stage: stage2, first: last2 - count, count, attempt });
}
function recallableMs(state, slot, idle) {
  const batch = slot.queue.at(-1);
  if (!batch || batch.kept || slot === idle) return 0;
  const stage2 = state.stages[batch.stage];
  const { taskMs } = stage2.template;
  if (Number.isNaN(taskMs) || !hasRoom(state, stage2, idle)) return 0;
  const here = taskMs * (batch.end - batch.next - (slot.queue.length > 1 ? 0 : 1));
  if (batch.end - batch.next > 1) return here;
  let behind = 0;
  for (let i = 1; i < slot.queue.length; i++) {
    const { stage: index, next, end: end2 } = slot.queue[i];
    behind += state.stages[index].template.taskMs * (end2 - next);
  }
  return behind;
}
function hasRoom(state, stage2, slot) {
  const { limit } = stage2.template;
  if (stage2.slotsUsing >= stage2.slotLimit && !slot.queue.some((batch) => batch.stage === stage2.index)) return false;
  return !limit || limit.using < limit.slots || slot.queue.some((batch) => state.stages[batch.stage].template === stage2.template);
}
function scheduleSuspects(state, commands) {
  const idle = [...state.workers.values()].filter((worker) => worker.slots.every(({ queue }) => queue.length === 0));
  const waiting = state.suspects.splice(0);
  for (const suspect of waiting) {
    const stage2 = state.stages[suspect.stage];
    if (stage2?.state[suspect.block] !== Ready) continue;
    const worker = idle[0];
    if (worker && hasRoom(state, stage2, worker.slots[0])) {
      idle.shift();
      worker.alone = true;
      send(state, worker.slots[0], stage2, suspect.block, suspect.block + 1, commands);
    } else state.suspects.push(suspect);
  }
  if (state.suspects.length > 0 && ![...state.workers.values()].some(({ alone }) => alone)) {
    const queued = (worker) => worker.slots.reduce((sum, { queue }) => sum + queue.length, 0);
    const least = [...state.workers.values()].sort((a, b) => queued(a) - queued(b))[0];
    if (least) least.alone = true;
  }
}
function fill(state, slot, slots, commands) {
  const { settings, stages, ready } = state;
  if (slot.queue.length >= settings.singlesQueued) return "full";
  let queuedMs = 0;
  for (const { stage: stage2, next, end: last2 } of slot.queue) {
    const { taskMs } = stages[stage2].template;
    if (Number.isNaN(taskMs)) return "full";
    queuedMs += taskMs * (last2 - next);
  }
  if (slot.queue.length > 0 && queuedMs >= settings.creditMs) return "full";
  const crowded = slot.queue.length >= settings.batchesQueued;
  for (let place = 0; place < ready.length; place++) {
    const stage2 = ready[place];
    if (stage2.readyCount === 0) {
      ready.splice(place--, 1);
      stage2.listed = false;
      continue;
    }
    if (crowded && !isSingle(stage2) || !hasRoom(state, stage2, slot)) continue;
    const range = nextReady(state, stage2, slot, batchSize(state, stage2, queuedMs, slots));
    if (!range) continue;
    send(state, slot, stage2, range.first, range.end, commands);
    return "given";
  }
  return crowded && !slot.queue.every((batch) => isSingle(stages[batch.stage])) ? "full" : "hungry";
}
var isSingle = (stage2) => stage2.single || stage2.instance !== null && stage2.tasks === 1;
function batchSize(state, stage2, queuedMs, slots) {
  const { creditMs, batchTasks } = state.settings;
  const { taskMs } = stage2.template;
  if (stage2.single || Number.isNaN(taskMs)) return 1;
  const within = Math.floor((creditMs - queuedMs) / Math.max(taskMs, 1e-6));
  const share = Math.ceil(stage2.readyCount / (2 * Math.min(slots, stage2.slotLimit)));
  return Math.max(1, Math.min(within, share, batchTasks));
}
var LOCAL_LOOKS = 16;
function nextReady(state, stage2, slot, most) {
  const { ready, state: column } = stage2;
  skipStale(stage2);
  let place = 0;
  for (let look2 = 0; look2 < Math.min(ready.length, LOCAL_LOOKS); look2++) {
    if (column[ready.first(look2)] === Ready && isLocal(state, stage2, ready.first(look2), slot.worker)) {
      place = look2;
      break;
    }
  }
  if (ready.length === 0) return null;
  const first = ready.first(place);
  if (column[first] !== Ready) return null;
  const limit = Math.min(ready.end(place), first + most);
  let last2 = first + 1;
  while (last2 < limit && column[last2] === Ready && stage2.attempt[last2] === stage2.attempt[first] && alike(state, stage2, first, last2)) last2++;
  ready.take(place, first, last2);
  return { first, end: last2 };
}
function skipStale(stage2) {
  const { ready, state: column } = stage2;
  while (ready.length > 0) {
    let first = ready.first(0);
    const last2 = ready.end(0);
    while (first < last2 && column[first] !== Ready) first++;
    ready.cut(0, first);
    if (first < last2) return;
  }
}
function isLocal(state, stage2, block2, worker) {
  return stage2.oneToOne.every((producer) => {
    const source = state.stages[producer];
    const holder = source.holder[block2];
    return holder === ENGINE || holder === worker || (source.copies.get(block2)?.includes(worker) ?? false);
  });
}
function alike(state, stage2, first, other) {
  for (const producer of stage2.oneToOne) {
    const { holder } = state.stages[producer];
    if (holder[first] !== holder[other]) return false;
  }
  return true;
}
function send(state, slot, stage2, first, last2, commands) {
  if (!stage2.started) started(stage2, commands);
  move(state, stage2, first, last2, "assigned");
  stage2.readyCount -= last2 - first;
  const { limit } = stage2.template;
  if (!slot.queue.some((batch) => batch.stage === stage2.index)) stage2.slotsUsing++;
  if (limit && !slot.queue.some((batch) => state.stages[batch.stage].template === stage2.template)) limit.using++;
  const attempt = stage2.attempt[first];
  slot.queue.push({ stage: stage2.index, attempt, next: first, end: last2, reportedMs: 0, kept: false });
  const { worker, slot: index } = slot;
  commands.push({
    type: "assign",
    worker,
    slot: index,
    stage: stage2.index,
    first,
    count: last2 - first,
    attempt,
    late: stage2.late.has(first)
  });
}

// runtime/core/step.ts
function step(state, event) {
  const commands = [];
  if (state.status !== "running" && state.status !== "collecting") return commands;
  apply(state, event, commands);
  if (state.begun && state.status === "running") {
    settle(state, commands);
    schedule(state, commands);
    if (state.unfinished === 0) {
      state.status = "collecting";
      commands.push({ type: "collect" });
    }
  }
  return commands;
}
function apply(state, event, commands) {
  switch (event.type) {
    case "begin":
      state.begun = true;
      for (const stage2 of state.stages.slice()) if (stage2 && stage2.tasks >= 0 && !stage2.present) opened(state, stage2, commands);
      return;
    case "workerJoined": {
      const slots = Array.from({ length: event.slots }, (_, slot) => ({ worker: event.worker, slot, queue: [], recalling: null }));
      state.workers.set(event.worker, { slots, alone: false });
      return;
    }
    case "workerLost": {
      workerLost(state, event.worker, event.cause, commands);
      return;
    }
    case "slotLost": {
      slotLost(state, event, commands);
      return;
    }
    case "finished": {
      finished(state, event, commands);
      return;
    }
    case "failed": {
      const slot = state.workers.get(event.worker)?.slots[event.slot];
      if (slot && takeHead(state, slot, event.stage, event.block, event.attempt))
        taskFailed(state, event.stage, event.block, event, commands);
      return;
    }
    case "inputMissing": {
      const slot = state.workers.get(event.worker)?.slots[event.slot];
      if (!slot || !takeHead(state, slot, event.stage, event.block, event.attempt)) return;
      const stage2 = state.stages[event.stage];
      returnTasks(state, stage2, event.block, event.block + 1);
      for (const producer of stage2.oneToOne) drop(state, producer, event.block, event.worker, commands);
      for (const { producer, block: block2 } of stage2.points) drop(state, producer, block2, event.worker, commands);
      const inside = stage2.control?.kind === "each" ? stage2.control.instances.get(event.block)?.reads ?? [] : [];
      for (const producer of [...stage2.whole, ...inside])
        for (let block2 = 0; block2 < state.stages[producer].blocks; block2++) drop(state, producer, block2, event.worker, commands);
      readyAgain(state, stage2, event.block, event.block + 1);
      return;
    }
    case "unsent": {
      unsent(state, event);
      return;
    }
    case "recalled": {
      recalled(state, event);
      return;
    }
    case "delayOver": {
      const stage2 = state.stages[event.stage];
      if (stage2?.state[event.block] !== Delayed || stage2.attempt[event.block] !== event.attempt) return;
      move(state, stage2, event.block, event.block + 1, "delayOver");
      readyAgain(state, stage2, event.block, event.block + 1);
      return;
    }
    case "copied": {
      const stage2 = state.stages[event.stage];
      if (stage2?.output[event.block] !== Live || !state.workers.has(event.to) || stage2.holder[event.block] === event.to) return;
      const copies = stage2.copies.get(event.block) ?? [];
      if (!copies.includes(event.to)) stage2.copies.set(event.block, [...copies, event.to]);
      return;
    }
    case "objectMissing": {
      drop(state, event.stage, event.block, event.from, commands);
      return;
    }
    case "collected":
      if (state.status === "collecting") end(state, { status: "ok" }, commands);
      return;
    case "cancel":
      end(state, { status: "cancelled" }, commands);
      return;
  }
}
function end(state, outcome, commands) {
  state.status = outcome.status;
  commands.push({ type: "end", outcome });
}
function finished(state, event, commands) {
  const slot = state.workers.get(event.worker)?.slots[event.slot];
  const batch = slot?.queue[0];
  if (!slot || !batch || batch.stage !== event.stage || batch.attempt !== event.attempt || batch.next !== event.first) return;
  const stage2 = state.stages[event.stage];
  const last2 = event.first + event.count;
  const spentMs = Math.max(0, event.runMs - batch.reportedMs);
  batch.reportedMs = event.runMs;
  measure(stage2, spentMs / event.count);
  if (event.value !== void 0) stage2.value = event.value;
  batch.next = last2;
  if (batch.next === batch.end) dequeue(state, slot);
  move(state, stage2, event.first, last2, "committed");
  stage2.pending -= event.count;
  for (let i = event.first; i < last2 && stage2.deaths.size > 0; i++) stage2.deaths.delete(i);
  const holder = event.held === "engine" ? ENGINE : event.worker;
  if (stage2.cutsList) {
    const blocks2 = event.blocks ?? 0;
    if (stage2.blocks >= 0 && stage2.blocks !== blocks2) {
      fail(state, stage2, 0, { kind: "nondeterministic", blocks: blocks2, before: stage2.blocks }, commands);
      return;
    }
    if (stage2.blocks < 0) allocateBlocks(stage2, blocks2);
    made(state, stage2, 0, blocks2, holder, commands);
  } else made(state, stage2, event.first, last2, holder, commands);
  for (const producer of stage2.oneToOne) used(state, state.stages[producer], event.first, last2, commands);
  if (stage2.control?.kind === "each" && stage2.control.inside)
    for (let task = event.first; task < last2; task++) letGo(state, stage2, stage2.control.instances.get(task), commands);
  if (stage2.pending === 0) stageDone(state, stage2, commands);
  if (!stage2.cutsList) return;
  for (const consumer of stage2.oneToOneConsumers) size(state, state.stages[consumer], stage2.blocks, commands);
  if (stage2.blocks === 0) wholePresent(state, stage2);
}
function measure({ template }, ms) {
  template.taskMs = Number.isNaN(template.taskMs) ? ms : template.taskMs * 0.7 + ms * 0.3;
}
function fail(state, stage2, block2, why, commands) {
  const attempt = (stage2.attempt[block2] ?? 1) - (why.kind === "poisoned" ? 1 : 0);
  end(state, { status: "failed", stage: stage2.index, block: block2, attempt, why }, commands);
}
function taskFailed(state, index, block2, failure, commands) {
  const stage2 = state.stages[index];
  const { settings } = state;
  const before2 = stage2.failures.get(block2) ?? 0;
  const allowed = stage2.retries ?? (failure.transient ? settings.transientRetries : 0);
  const retried = before2 < allowed;
  const attempt = stage2.attempt[block2];
  commands.push({ type: "taskFailed", stage: index, block: block2, attempt, retried, cause: failure.cause });
  if (!retried) {
    move(state, stage2, block2, block2 + 1, "failed");
    fail(state, stage2, block2, { kind: "failure", cause: failure.cause }, commands);
    return;
  }
  stage2.failures.set(block2, before2 + 1);
  move(state, stage2, block2, block2 + 1, "delayed");
  stage2.attempt[block2] = attempt + 1;
  const ceiling = Math.min(settings.maxBackoffMs, settings.backoffMs * 2 ** before2);
  commands.push({ type: "delay", stage: index, block: block2, attempt: attempt + 1, delayMs: ceiling * (0.5 + failure.jitter / 2) });
}
function unsent(state, { worker, slot: index, stage: stageIndex, first, count, attempt }) {
  const slot = state.workers.get(worker)?.slots[index];
  const place = slot?.queue.findIndex(
    (batch) => batch.stage === stageIndex && batch.attempt === attempt && batch.next === first && batch.end === first + count
  ) ?? -1;
  if (!slot || place < 0) return;
  takeBatch(state, slot, place);
  const stage2 = state.stages[stageIndex];
  returnTasks(state, stage2, first, first + count);
  readyAgain(state, stage2, first, first + count);
}
function recalled(state, event) {
  const slot = state.workers.get(event.worker)?.slots[event.slot];
  const batch = slot?.recalling;
  if (!slot || !batch) return;
  slot.recalling = null;
  if (event.count === 0) {
    batch.kept = true;
    return;
  }
  const { stage: index, first, count, attempt } = event;
  const stage2 = state.stages[index];
  if (batch.stage !== index || batch.attempt !== attempt || first < batch.next || first + count !== batch.end)
    throw illegal(state, stage2, first, "recalled");
  batch.end = first;
  if (batch.next === batch.end) takeBatch(state, slot, slot.queue.indexOf(batch));
  move(state, stage2, first, first + count, "recalled");
  readyAgain(state, stage2, first, first + count);
}
function takeHead(state, slot, stage2, block2, attempt) {
  const batch = slot.queue[0];
  if (!batch || batch.stage !== stage2 || batch.next !== block2 || batch.attempt !== attempt) return false;
  batch.next++;
  if (batch.next === batch.end) dequeue(state, slot);
  return true;
}
function dequeue(state, slot) {
  takeBatch(state, slot, 0);
}
function takeBatch(state, slot, place) {
  const [batch] = slot.queue.splice(place, 1);
  const stage2 = state.stages[batch.stage];
  if (!slot.queue.some((other) => other.stage === batch.stage)) stage2.slotsUsing--;
  const { template } = stage2;
  if (template.limit && !slot.queue.some((other) => state.stages[other.stage].template === template)) template.limit.using--;
  const worker = state.workers.get(slot.worker);
  if (worker.alone && worker.slots.every(({ queue }) => queue.length === 0)) worker.alone = false;
}
function emptySlot(state, slot) {
  const batches = [...slot.queue];
  let tasks = 0;
  while (slot.queue.length > 0) dequeue(state, slot);
  slot.recalling = null;
  for (const { stage: stage2, next, end: last2 } of batches) {
    returnTasks(state, state.stages[stage2], next, last2);
    tasks += last2 - next;
  }
  const head = batches[0];
  return { batches, running: head ? { stage: head.stage, block: head.next } : null, tasks };
}
function death(state, running, cause, commands) {
  const stage2 = state.stages[running.stage];
  const deaths = (stage2.deaths.get(running.block) ?? 0) + 1;
  stage2.deaths.set(running.block, deaths);
  if (deaths >= state.settings.maxDeaths) fail(state, stage2, running.block, { kind: "poisoned", deaths, cause }, commands);
}
function late(state, { stage: index, block: block2 }, cause, commands) {
  const stage2 = state.stages[index];
  stage2.late.add(block2);
  commands.push({ type: "taskFailed", stage: index, block: block2, attempt: stage2.attempt[block2] - 1, retried: true, cause });
}
function slotLost(state, event, commands) {
  const slot = state.workers.get(event.worker)?.slots[event.slot];
  if (!slot) return;
  const head = slot.queue[0];
  const failed = event.blame === "failure" && head ? { stage: head.stage, block: head.next } : null;
  if (head && failed) takeHead(state, slot, head.stage, head.next, head.attempt);
  const { batches, running, tasks } = emptySlot(state, slot);
  if (tasks > 0) commands.push({ type: "tasksReturned", worker: event.worker, tasks });
  if (failed) taskFailed(state, failed.stage, failed.block, { transient: false, cause: event.cause, jitter: event.jitter }, commands);
  else if (event.blame === "late" && running) late(state, running, event.cause, commands);
  else if (event.blame === "death" && running) death(state, running, event.cause, commands);
  for (const { stage: stage2, next, end: last2 } of batches) readyAgain(state, state.stages[stage2], next, last2);
}
function workerLost(state, index, cause, commands) {
  const worker = state.workers.get(index);
  if (!worker) return;
  const emptied = worker.slots.map((slot) => emptySlot(state, slot));
  state.workers.delete(index);
  const tasks = emptied.reduce((sum, one) => sum + one.tasks, 0);
  if (tasks > 0) commands.push({ type: "tasksReturned", worker: index, tasks });
  for (const { running } of emptied) if (running && state.status === "running") death(state, running, cause, commands);
  for (const stage2 of state.stages) if (stage2) loseHolder(state, stage2, index, commands);
  for (const { batches } of emptied) for (const { stage: stage2, next, end: last2 } of batches) readyAgain(state, state.stages[stage2], next, last2);
}

// test/runtime/simulated.ts
function simulate({ plan, dice, settings = {}, turns = 2e4 }) {
  const state = createState({ plan, params: {}, settings: { transientRetries: 1e3, maxDeaths: 1e3, recallMs: 0, ...settings } });
  let at = 0;
  const roll = () => dice[at++] ?? 900 + at * 7 % 100;
  let nextWorker = 0;
  let givenBack = 0;
  let ended = null;
  const inbox = [];
  const running = [];
  const recalls = [];
  const values = /* @__PURE__ */ new Map();
  const acted = /* @__PURE__ */ new Set();
  const lose = (worker, slot) => {
    for (const sent of [running, recalls])
      for (let i = sent.length - 1; i >= 0; i--)
        if (sent[i].worker === worker && (slot === void 0 || sent[i].slot === slot)) sent.splice(i, 1);
  };
  const say = (event) => {
    for (const command of step(state, event)) {
      if (command.type === "assign") {
        const tasks = Array.from({ length: command.count }, (_, i) => command.first + i);
        const stage2 = state.stages[command.stage];
        for (const task of tasks) if (acted.has(nameOf(stage2, task))) throw new Error(`${nameOf(stage2, task)} acts twice`);
        running.push({ ...command, gives: tasks.map((task) => madeFrom(state, values, stage2, task)) });
      } else if (command.type === "free") {
        const here = values.get(command.stage);
        for (let block2 = command.first; block2 < command.first + command.count; block2++)
          if (state.stages[command.stage]?.output[block2] !== Live) delete here[block2];
      } else if (command.type === "retired") for (const stage2 of command.stages) values.delete(stage2);
      else if (command.type === "collect") inbox.push({ type: "collected" });
      else if (command.type === "delay")
        inbox.push({ type: "delayOver", stage: command.stage, block: command.block, attempt: command.attempt });
      else if (command.type === "recall") recalls.push(command);
      else if (command.type === "end") ended = command;
    }
    checkInvariants(state);
  };
  const join = () => say({ type: "workerJoined", worker: nextWorker++, slots: 1 + roll() % 3 });
  join();
  join();
  say({ type: "begin" });
  for (let turn = 0; turn < turns && !ended; turn++) {
    const luck = roll();
    const alive = [...state.workers.keys()];
    if (luck < 25 && alive.length > 0) {
      const worker = alive[luck % alive.length];
      lose(worker);
      say({ type: "workerLost", worker, cause: "lost" });
    } else if (luck < 60 && alive.length < 12 || alive.length === 0) join();
    else if (luck < 90 && running.length > 0) {
      const { worker, slot } = running[luck % running.length];
      lose(worker, slot);
      say({ type: "slotLost", worker, slot, blame: luck % 2 ? "death" : "none", cause: "slot", jitter: 0.5 });
    } else if (recalls.length > 0 && luck % 3 === 0) {
      const recalled2 = giveBack(running, recalls.shift());
      if (recalled2.count > 0) givenBack++;
      say(recalled2);
    } else if (inbox.length > 0 && luck % 2 === 0) say(inbox.shift());
    else if (running.length > 0) {
      const first = running.filter((one2, i) => running.findIndex((other) => other.worker === one2.worker && other.slot === one2.slot) === i);
      const one = first[luck % first.length];
      const { worker, slot, stage: stage2, attempt } = one;
      if (luck > 90 && luck < 130) {
        say({ type: "failed", worker, slot, stage: stage2, block: one.first, attempt, transient: true, cause: "no", jitter: 0.5 });
        advance(running, one, 1);
      } else if (luck < 150) {
        say({ type: "inputMissing", worker, slot, stage: stage2, block: one.first, attempt });
        advance(running, one, 1);
      } else {
        const count = 1 + luck % one.count;
        finish(one, count, luck);
        advance(running, one, count);
      }
    } else if (recalls.length > 0) say(giveBack(running, recalls.shift()));
    else if (inbox.length > 0) say(inbox.shift());
    else break;
  }
  function finish(one, count, luck) {
    const { worker, slot, stage: index, attempt, first, gives } = one;
    const stage2 = state.stages[index];
    const here = values.get(index) ?? [];
    values.set(index, here);
    const { output, effect } = plan.stages[stage2.template.index];
    const blocks2 = output === "blocks" ? gives[0] % 5 : null;
    if (blocks2 === null) for (let i = 0; i < count; i++) here[first + i] = gives[i];
    else for (let block2 = 0; block2 < blocks2; block2++) here[block2] = mix(gives[0], block2);
    if (effect) for (let i = 0; i < count; i++) acted.add(nameOf(stage2, first + i));
    const held = luck % 3 === 0 || stage2.template.decides || effect ? "engine" : "worker";
    say({
      type: "finished",
      worker,
      slot,
      stage: index,
      first,
      count,
      attempt,
      runMs: luck / 100,
      held,
      ...blocks2 === null ? {} : { blocks: blocks2 },
      ...stage2.template.decides ? { value: decision(stage2, gives[0]) } : {}
    });
  }
  const results = {};
  for (const { name, from } of plan.outputs) {
    if (from.kind !== "stage") continue;
    const { index, output } = lookUp(state, null, from.stage);
    if (ended && output.some((one) => one !== Live)) throw new Error(`${name} ended without its result`);
    results[name] = [...values.get(index) ?? []];
  }
  return { ended, state, results, givenBack };
}
function decision(stage2, value2) {
  const { instance, id } = stage2;
  if (!id.startsWith("decision")) return value2 % 2;
  return instance.number >= 1 + value2 % 3 ? 1 : 0;
}
var nameOf = ({ id }, task) => `${id}#${task}`;
function mix(...words) {
  let h = 2166136261;
  for (const word of words) {
    h = Math.imul(h ^ word & 65535, 16777619);
    h = Math.imul(h ^ word >>> 16, 16777619);
  }
  return h >>> 0;
}
function madeFrom(state, values, stage2, task) {
  const { inputs, tasks, effect } = state.plan.stages[stage2.template.index];
  if (effect) return 0;
  const read = (producer, block2) => {
    const source = state.stages[producer];
    if (source?.output[block2] !== Live)
      throw new Error(`task ${task} of ${stage2.id} reads block ${block2} of ${source?.id}, which isn't there`);
    return values.get(producer)[block2];
  };
  const all = (producer) => {
    const source = state.stages[producer];
    if (!source.present) throw new Error(`task ${task} of ${stage2.id} reads ${source.id}, which isn't there`);
    if (state.plan.stages[source.template.index].effect) return 0;
    return mix(...Array.from({ length: source.blocks }, (_, block2) => read(producer, block2)));
  };
  const made2 = inputs.map((input, place) => {
    const producer = stage2.producers[place];
    const { control } = stage2;
    switch (input.kind) {
      case "param":
      case "range":
        return task;
      case "iteration":
        return iterationOf(stage2, input.region);
      case "block":
        return read(producer, task);
      case "item": {
        const point = stage2.points.find((one) => one.producer === producer);
        return point ? read(producer, point.block) : read(producer, task);
      }
      default: {
        const inside = control?.kind === "each" ? control.reads.findIndex((one) => one.input === place) : -1;
        const found = inside < 0 || control?.kind !== "each" ? producer : control.instances.get(task).reads[inside];
        const value2 = all(found);
        return input.kind === "after" ? 1 : value2;
      }
    }
  });
  return mix(stage2.template.index, tasks.kind === "one" ? 0 : task, ...made2);
}
function advance(running, one, count) {
  const at = running.indexOf(one);
  if (at < 0) return;
  if (count >= one.count) running.splice(at, 1);
  else running[at] = { ...one, first: one.first + count, count: one.count - count, gives: one.gives.slice(count) };
}
function giveBack(running, { worker, slot, stage: stage2, first, count, attempt }) {
  const queue = running.filter((one2) => one2.worker === worker && one2.slot === slot);
  const one = queue.find((batch) => batch.stage === stage2 && batch.attempt === attempt && batch.first + batch.count === first + count);
  const from = one ? Math.min(Math.max(first, one.first + (one === queue[0] ? 1 : 0)), first + count) : first + count;
  const back = first + count - from;
  if (one && back > 0) {
    const at = running.indexOf(one);
    if (back === one.count) running.splice(at, 1);
    else running[at] = { ...one, count: one.count - back };
  }
  return { type: "recalled", worker, slot, stage: stage2, first: from, count: back, attempt };
}

// ../../../tmp/rt/fuzz.ts
var seed = Number(process.argv[2] ?? 1);
var last = Number(process.argv[3] ?? seed + 50);
var noCheck = process.argv[4];
for (; seed < last; seed++) {
  let s = seed * 2654435761 >>> 0;
  const next = () => {
    s = Math.imul(s, 1664525) + 1013904223 >>> 0;
    return Math.floor(s / 2 ** 32 * 1e3);
  };
  for (let i = 0; i < 10; i++) next();
  const plan = randomPlan(Array.from({ length: 80 }, next));
  const dice = Array.from({ length: 400 }, next);
  const t = performance.now();
  try {
    const calm = simulate({ plan, dice: [], settings: { instances: 2, instancesPerSlot: 1 } });
    if (!calm.ended || calm.ended.outcome.status !== "ok") throw new Error("calm didn't end " + JSON.stringify(calm.ended));
    const t1 = performance.now() - t;
    const run = simulate({ plan, dice, settings: { instances: 2, instancesPerSlot: 1 } });
    if (!run.ended || run.ended.outcome.status !== "ok") throw new Error("didn't end " + JSON.stringify(run.ended));
    if (JSON.stringify(run.results) !== JSON.stringify(calm.results)) throw new Error("differs");
    const all = performance.now() - t;
    if (all > 1e3) console.log(seed, "slow", plan.stages.length, calm.state.stages.length, run.state.stages.length, t1 | 0, all | 0);
  } catch (error) {
    console.log(seed, plan.stages.length, error.stack.split("\n").slice(0, 7).join("\n"));
    if (process.argv[5]) console.log(JSON.stringify(plan.stages.map((s2, i) => [i, s2.id, s2.region, s2.tasks, s2.inputs, s2.output]), null, 0).replaceAll("],[", "],\n["));
  }
}
console.log("done");
