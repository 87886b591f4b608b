// A small shop: one workflow takes an order from payment to delivery.
import {
  condition,
  defineQuery,
  defineSignal,
  defineUpdate,
  executeChild,
  proxyActivities,
  setHandler,
  sleep,
  workflowInfo,
} from '@temporalio/workflow';
import type * as activities from './activities';
import type { Order, Receipt } from './shared';

export const approve = defineSignal<[string]>('approve');
export const status = defineQuery<string>('status');
export const changeAddress = defineUpdate<string, [string]>('change-address');

const { reserveItem, chargeCard } = proxyActivities<typeof activities>({
  startToCloseTimeout: '10s',
  retry: { initialInterval: '200ms' },
});

export async function processOrder(order: Order): Promise<Receipt> {
  let now = 'reserving';
  let address = order.address;
  let approver: string | undefined;
  setHandler(status, () => now);
  setHandler(approve, (name) => void (approver = name));
  setHandler(
    changeAddress,
    (next) => {
      const previous = address;
      address = next;
      return previous;
    },
    {
      validator: (next) => {
        if (next === '') throw new Error('an address must not be empty');
      },
    }
  );
  await reserveItem(order);
  now = 'charging';
  const paymentId = await chargeCard(order);
  now = 'waiting for approval';
  await condition(() => approver !== undefined);
  now = 'packing';
  await sleep(order.packingMilliseconds);
  now = 'shipping';
  const parcel = await executeChild(shipParcel, {
    workflowId: `${order.id}-parcel`,
    args: [order.item, address],
  });
  now = 'delivered';
  return { orderId: order.id, paymentId, approver: approver ?? '', address, parcel };
}

export async function shipParcel(item: string, address: string): Promise<string> {
  return `${item} to ${address} as ${workflowInfo().workflowId}`;
}
