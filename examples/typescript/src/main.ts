// Runs the order example: a worker and a client in one process.
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Client, Connection, WorkflowUpdateFailedError, type WorkflowHandle } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import * as activities from './activities';
import { taskQueue, type Order } from './shared';
import { approve, changeAddress, processOrder, status } from './workflows';

const pollIntervalMilliseconds = 50;

function say(step: string, text: string): void {
  console.log(`  ${step.padEnd(8)} ${text}`);
}

async function awaitStatus(handle: WorkflowHandle, wanted: string): Promise<void> {
  while ((await handle.query(status)) !== wanted) await pause(pollIntervalMilliseconds);
}

// Lists follow writes a moment later, so the search is asked until it shows the run.
async function listedStatus(client: Client, workflowId: string): Promise<string> {
  const query = `WorkflowType = 'processOrder' AND WorkflowId = '${workflowId}' AND ExecutionStatus = 'Completed'`;
  for (;;) {
    for await (const execution of client.workflow.list({ query })) return execution.status.name;
    await pause(pollIntervalMilliseconds);
  }
}

async function refusedUpdate(handle: WorkflowHandle): Promise<string> {
  try {
    await handle.executeUpdate(changeAddress, { args: [''] });
  } catch (error) {
    if (error instanceof WorkflowUpdateFailedError) return error.cause?.message ?? error.message;
    throw error;
  }
  throw new Error('an empty address was taken');
}

async function tell(client: Client): Promise<void> {
  const order: Order = {
    id: `order-${randomUUID().slice(0, 8)}`,
    item: 'lamp',
    amountCents: 4200,
    address: '1 Old Lane',
    packingMilliseconds: 1000,
  };
  const handle = await client.workflow.start(processOrder, { workflowId: order.id, taskQueue, args: [order] });
  say('start', `order ${handle.workflowId}, run ${handle.firstExecutionRunId}`);
  await awaitStatus(handle, 'waiting for approval');
  say('query', "status is 'waiting for approval'");
  say('update', `empty address refused: ${await refusedUpdate(handle)}`);
  const previous = await handle.executeUpdate(changeAddress, { args: ['7 Harbour Road'] });
  say('update', `address is now '7 Harbour Road', was '${previous}'`);
  await handle.signal(approve, 'Ada');
  say('signal', 'approved by Ada');
  const receipt = await handle.result();
  say('result', `paid ${receipt.paymentId}, parcel ${receipt.parcel}`);
  say('list', `${handle.workflowId} is ${await listedStatus(client, handle.workflowId)}`);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      address: { type: 'string', default: '127.0.0.1:7233' },
      namespace: { type: 'string', default: 'default' },
    },
  });
  const { address, namespace } = values;
  // What failed and was retried is in the history, so the SDK's own notes are dropped.
  Runtime.install({ logger: new DefaultLogger('ERROR', () => undefined) });
  const connection = await Connection.connect({ address });
  const native = await NativeConnection.connect({ address });
  const worker = await Worker.create({
    connection: native,
    namespace,
    taskQueue,
    workflowsPath: require.resolve('./workflows'),
    activities,
  });
  try {
    await worker.runUntil(tell(new Client({ connection, namespace })));
  } finally {
    await native.close();
    await connection.close();
  }
}

main().catch((error: unknown) => {
  console.error('order example:', error);
  process.exitCode = 1;
});
