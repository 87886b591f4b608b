// Drives a server with the TypeScript SDK and prints one JSON line for each case: {"name", "ok", "seconds", "error"}.
//
//   node suite.js --address HOST:PORT [--only NAME]
const assert = require('node:assert/strict');
const { randomUUID } = require('node:crypto');
const { setTimeout: pause } = require('node:timers/promises');
const { parseArgs } = require('node:util');
const client = require('@temporalio/client');
const { temporal } = require('@temporalio/proto');
const { DefaultLogger, NativeConnection, Runtime, Worker, bundleWorkflowCode } = require('@temporalio/worker');
const activities = require('./activities');

const caseTimeoutMilliseconds = 45_000;
const conditionIntervalMilliseconds = 25;
const { EventType } = temporal.api.enums.v1;

const newId = () => `typescript-${randomUUID()}`;

// Suite is what a case works with.
class Suite {
  constructor(connection, taskQueue, workflowBundle) {
    this.client = new client.Client({ connection });
    this.taskQueue = taskQueue;
    this.workflowBundle = workflowBundle;
  }

  start(type, args = [], options = {}) {
    return this.client.workflow.start(type, { workflowId: newId(), taskQueue: this.taskQueue, args, ...options });
  }

  async events(handle) {
    const history = await handle.fetchHistory();
    return history.events.map((event) => event.eventType);
  }

  async count(handle, type) {
    return (await this.events(handle)).filter((other) => other === type).length;
  }

  // closedRuns runs count workflows and returns a query for them.
  async closedRuns(count) {
    const prefix = newId();
    const ids = [];
    for (let i = 0; i < count; i++) {
      ids.push(`${prefix}-${i}`);
      await (await this.start('echo', ['listed'], { workflowId: ids[i] })).result();
    }
    return { query: `WorkflowId STARTS_WITH '${prefix}' AND ExecutionStatus = 'Completed'`, ids };
  }
}

// eventually asks condition until it holds; the case's time-out ends it.
async function eventually(condition) {
  while (!(await condition())) await pause(conditionIntervalMilliseconds);
}

const cases = {
  async start(s) {
    const handle = await s.start('echo', ['hello']);
    assert.ok(handle.firstExecutionRunId);
    assert.equal(await handle.result(), 'echo hello');
  },

  async execute(s) {
    const workflowId = newId();
    const result = await s.client.workflow.execute('withActivity', { workflowId, taskQueue: s.taskQueue, args: [1] });
    assert.equal(result, 'succeeded at attempt 1');
    const history = await s.client.workflow.getHandle(workflowId).fetchHistory();
    await Worker.runReplayHistory({ workflowBundle: s.workflowBundle }, history);
  },

  async signal(s) {
    const handle = await s.start('collect', [3]);
    for (const text of ['a', 'b', 'c']) await handle.signal('text', text);
    assert.deepEqual(await handle.result(), ['a', 'b', 'c']);
    await assert.rejects(s.client.workflow.getHandle(newId()).signal('text', 'a'), client.WorkflowNotFoundError);
  },

  async 'signal-with-start'(s) {
    const workflowId = newId();
    let handle;
    for (const text of ['first', 'second']) {
      const options = { workflowId, taskQueue: s.taskQueue, args: [2], signal: 'text', signalArgs: [text] };
      handle = await s.client.workflow.signalWithStart('collect', options);
    }
    assert.deepEqual(await handle.result(), ['first', 'second']);
  },

  async query(s) {
    const handle = await s.start('counter', [5]);
    assert.equal(await handle.query('value'), 5);
    await assert.rejects(handle.query('unknown'), client.QueryNotRegisteredError);
    await handle.signal('finish');
    assert.equal(await handle.result(), 5);
    assert.equal(await handle.query('value'), 5);
  },

  async update(s) {
    const handle = await s.start('counter', [1]);
    assert.equal(await handle.executeUpdate('add', { args: [2] }), 3);
    const accepted = await handle.startUpdate('add', { args: [4], waitForStage: client.WorkflowUpdateStage.ACCEPTED });
    assert.equal(await handle.getUpdateHandle(accepted.updateId).result(), 7);
    await assert.rejects(handle.executeUpdate('add', { args: [0] }), client.WorkflowUpdateFailedError);
    await handle.signal('finish');
    assert.equal(await handle.result(), 7);
  },

  async 'update-with-start'(s) {
    const workflowId = newId();
    for (const want of [12, 14]) {
      const startWorkflowOperation = new client.WithStartWorkflowOperation('counter', {
        workflowId,
        taskQueue: s.taskQueue,
        args: [10],
        workflowIdConflictPolicy: 'USE_EXISTING',
      });
      const got = await s.client.workflow.executeUpdateWithStart('add', { startWorkflowOperation, args: [2] });
      assert.equal(got, want);
    }
    const handle = s.client.workflow.getHandle(workflowId);
    await handle.signal('finish');
    assert.equal(await handle.result(), 14);
  },

  async cancel(s) {
    const handle = await s.start('cleanup');
    await eventually(async () => (await s.count(handle, EventType.EVENT_TYPE_TIMER_STARTED)) === 1);
    await handle.cancel();
    await assert.rejects(handle.result(), (error) => error.cause instanceof client.CancelledFailure);
    assert.equal(await s.count(handle, EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED), 1);
  },

  async terminate(s) {
    const handle = await s.start('cleanup');
    await handle.terminate('enough');
    await assert.rejects(handle.result(), (error) => error.cause instanceof client.TerminatedFailure);
    assert.equal((await handle.describe()).status.name, 'TERMINATED');
  },

  async child(s) {
    assert.equal(await (await s.start('parent', ['child'])).result(), 'parent of echo child');
  },

  async 'external-cancel'(s) {
    const victim = await s.start('cleanup');
    await (await s.start('cancelling', [victim.workflowId])).result();
    await assert.rejects(victim.result(), (error) => error.cause instanceof client.CancelledFailure);
  },

  async 'continue-as-new'(s) {
    const handle = await s.start('continued', [2, 0]);
    assert.equal(await handle.result(), 2);
    const last = await s.client.workflow.getHandle(handle.workflowId).describe();
    assert.notEqual(last.runId, handle.firstExecutionRunId);
    const first = await s.client.workflow.getHandle(handle.workflowId, handle.firstExecutionRunId).describe();
    assert.equal(first.status.name, 'CONTINUED_AS_NEW');
  },

  async cron(s) {
    const handle = await s.start('cron', [], { cronSchedule: '@every 1s' });
    const current = s.client.workflow.getHandle(handle.workflowId);
    await eventually(async () => (await current.describe()).runId !== handle.firstExecutionRunId);
    const [started] = (await current.fetchHistory()).events;
    const previous = started.workflowExecutionStartedEventAttributes.lastCompletionResult.payloads[0].data;
    assert.equal(Buffer.from(previous).toString(), '1');
    await current.terminate('seen enough');
  },

  async retry(s) {
    assert.equal(await (await s.start('withActivity', [3])).result(), 'succeeded at attempt 3');
    const retry = { initialInterval: 100, maximumAttempts: 3 };
    assert.equal(await (await s.start('flaky', [2], { retry })).result(), 2);
  },

  async heartbeat(s) {
    assert.equal(await (await s.start('heartbeat')).result(), 7);
  },

  async 'heartbeat-timeout'(s) {
    assert.equal(await (await s.start('heartbeatTimeout')).result(), 'HEARTBEAT after one beat');
  },

  async 'async-completion'(s) {
    const handle = await s.start('outside');
    await eventually(async () => {
      const { pendingActivities } = (await handle.describe()).raw;
      return pendingActivities.length === 1 && pendingActivities[0].state === 2;
    });
    const id = { workflowId: handle.workflowId, activityId: 'outside' };
    await s.client.activity.heartbeat(id, 'alive');
    await s.client.activity.complete(id, 'by id');
    assert.equal(await handle.result(), 'by id');
    await assert.rejects(s.client.activity.complete(id, 'twice'), client.ActivityNotFoundError);
  },

  async 'local-activity'(s) {
    const handle = await s.start('localActivity');
    assert.equal(await handle.result(), 'succeeded at attempt 2');
    assert.equal(await s.count(handle, EventType.EVENT_TYPE_MARKER_RECORDED), 1);
  },

  async timers(s) {
    const handle = await s.start('timers');
    assert.equal(await handle.result(), 'fired and cancelled');
    assert.equal(await s.count(handle, EventType.EVENT_TYPE_TIMER_FIRED), 1);
    assert.equal(await s.count(handle, EventType.EVENT_TYPE_TIMER_CANCELED), 1);
  },

  async list(s) {
    const { query, ids } = await s.closedRuns(5);
    await eventually(async () => {
      const listed = [];
      for await (const run of s.client.workflow.list({ query, pageSize: 2 })) listed.push(run.workflowId);
      return listed.join() === ids.toReversed().join();
    });
  },

  async count(s) {
    const { query, ids } = await s.closedRuns(3);
    await eventually(async () => (await s.client.workflow.count(query)).count === ids.length);
  },

  async describe(s) {
    const handle = await s.start('counter', [0], { memo: { given: 'at start' } });
    const description = await handle.describe();
    assert.equal(description.type, 'counter');
    assert.equal(description.status.name, 'RUNNING');
    assert.deepEqual(description.memo, { given: 'at start' });
    const again = s.start('counter', [0], { workflowId: handle.workflowId });
    await assert.rejects(again, client.WorkflowExecutionAlreadyStartedError);
    await handle.terminate();
    await assert.rejects(s.client.workflow.getHandle(newId()).describe(), client.WorkflowNotFoundError);
  },

  async show(s) {
    const handle = await s.start('timers');
    await handle.result();
    const { events } = await handle.fetchHistory();
    assert.deepEqual(events.map((event) => Number(event.eventId)), events.map((_, i) => i + 1));
    assert.equal(events.at(-1).eventType, EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED);
  },
};

async function runCase(name, suite) {
  const started = Date.now();
  const timeout = new AbortController();
  const late = pause(caseTimeoutMilliseconds, undefined, { signal: timeout.signal }).then(() => {
    throw new Error(`not done after ${caseTimeoutMilliseconds} ms`);
  });
  let error = '';
  try {
    await Promise.race([cases[name](suite), late]);
  } catch (problem) {
    error = `${problem.stack}${problem.cause ? `\ncause: ${problem.cause.stack}` : ''}`;
  } finally {
    timeout.abort();
    late.catch(() => undefined);
  }
  console.log(JSON.stringify({ name, ok: error === '', seconds: (Date.now() - started) / 1000, error }));
}

async function main() {
  const { values } = parseArgs({ options: { address: { type: 'string' }, only: { type: 'string' } } });
  const silent = new DefaultLogger('ERROR', () => undefined);
  Runtime.install({ logger: silent });
  const connection = await client.Connection.connect({ address: values.address });
  const native = await NativeConnection.connect({ address: values.address });
  const workflowBundle = await bundleWorkflowCode({ workflowsPath: require.resolve('./workflows'), logger: silent });
  const taskQueue = newId();
  const worker = await Worker.create({ connection: native, taskQueue, workflowBundle, activities, shutdownForceTime: '1s' });
  const suite = new Suite(connection, taskQueue, workflowBundle);
  const chosen = Object.keys(cases).filter((name) => !values.only || name === values.only);
  await worker.runUntil(Promise.all(chosen.map((name) => runCase(name, suite))));
}

// A case that timed out leaves calls behind, so the process is ended rather than left to run dry.
main().then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  }
);
