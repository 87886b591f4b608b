// The activities of the TypeScript suite.
const { Context, CompleteAsyncError, activityInfo, heartbeat } = require('@temporalio/activity');

exports.succeedAt = async (attempt) => {
  const now = activityInfo().attempt;
  if (now < attempt) throw new Error(`attempt ${now} fails`);
  return `succeeded at attempt ${attempt}`;
};

exports.resumeFromHeartbeat = async () => {
  const { heartbeatDetails } = activityInfo();
  if (heartbeatDetails === undefined) {
    heartbeat(7);
    throw new Error('fails after its heartbeat');
  }
  return heartbeatDetails;
};

exports.beatOnceThenHang = async () => {
  heartbeat('one beat');
  await Context.current().cancelled;
};

exports.completeOutside = async () => {
  throw new CompleteAsyncError();
};
