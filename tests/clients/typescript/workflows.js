// The workflows of the TypeScript suite. Each does one thing; suite.js says what must be seen from outside.
const w = require('@temporalio/workflow');

const soon = 100;
const quick = '10s';
const retried = w.proxyActivities({ startToCloseTimeout: quick, retry: { initialInterval: soon, backoffCoefficient: 1 } });
const local = w.proxyLocalActivities({ scheduleToCloseTimeout: quick, retry: { initialInterval: 1, backoffCoefficient: 1 } });

exports.echo = async (text) => `echo ${text}`;

exports.withActivity = async (succeed) => retried.succeedAt(succeed);

exports.collect = async (count) => {
  const received = [];
  w.setHandler(w.defineSignal('text'), (text) => void received.push(text));
  await w.condition(() => received.length >= count);
  return received;
};

exports.counter = async (start) => {
  let value = start;
  let finished = false;
  w.setHandler(w.defineQuery('value'), () => value);
  w.setHandler(w.defineSignal('finish'), () => void (finished = true));
  w.setHandler(
    w.defineUpdate('add'),
    async (delta) => {
      await retried.succeedAt(1);
      value += delta;
      return value;
    },
    {
      validator: (delta) => {
        if (delta <= 0) throw new Error('delta must be positive');
      },
    }
  );
  await w.condition(() => finished);
  return value;
};

exports.cleanup = async () => {
  try {
    await w.sleep('1h');
  } catch (error) {
    await w.CancellationScope.nonCancellable(() => retried.succeedAt(1));
    throw error;
  }
};

exports.parent = async (text) => `parent of ${await w.executeChild('echo', { args: [text] })}`;

exports.continued = async (remaining, done) => {
  if (remaining > 0) await w.continueAsNew(remaining - 1, done + 1);
  return done;
};

exports.cron = async () => (w.workflowInfo().lastResult ?? 0) + 1;

exports.flaky = async (succeed) => {
  const { attempt } = w.workflowInfo();
  if (attempt < succeed) throw w.ApplicationFailure.create({ message: `attempt ${attempt} fails` });
  return attempt;
};

exports.heartbeat = async () =>
  w.proxyActivities({ startToCloseTimeout: quick, heartbeatTimeout: quick, retry: { initialInterval: soon } }).resumeFromHeartbeat();

exports.heartbeatTimeout = async () => {
  const { beatOnceThenHang } = w.proxyActivities({
    startToCloseTimeout: '1m',
    heartbeatTimeout: '1s',
    retry: { maximumAttempts: 1 },
  });
  try {
    await beatOnceThenHang();
  } catch (error) {
    if (error.cause instanceof w.TimeoutFailure) return `${error.cause.timeoutType} after ${error.cause.lastHeartbeatDetails}`;
    throw error;
  }
  throw w.ApplicationFailure.nonRetryable('no time-out');
};

exports.outside = async () => w.proxyActivities({ activityId: 'outside', startToCloseTimeout: '1m' }).completeOutside();

exports.localActivity = async () => local.succeedAt(2);

exports.timers = async () => {
  const scope = new w.CancellationScope();
  const long = scope.run(() => w.sleep('1h'));
  const start = Date.now();
  await w.sleep(soon);
  if (Date.now() - start < soon) throw w.ApplicationFailure.nonRetryable('the timer fired too early');
  scope.cancel();
  try {
    await long;
  } catch (error) {
    if (w.isCancellation(error)) return 'fired and cancelled';
    throw error;
  }
  throw w.ApplicationFailure.nonRetryable('the long timer was not cancelled');
};

exports.cancelling = async (workflowId) => {
  await w.getExternalWorkflowHandle(workflowId).cancel();
};
