// The shop's outside world.
import { activityInfo } from '@temporalio/activity';
import type { Order } from './shared';

const chargeAttemptsUntilSuccess = 3;

export async function reserveItem(order: Order): Promise<string> {
  return `shelf 7, ${order.item}`;
}

// Fails twice. The attempt is the server's count, so a retry on another worker works too.
export async function chargeCard(order: Order): Promise<string> {
  const { attempt } = activityInfo();
  if (attempt < chargeAttemptsUntilSuccess) {
    throw new Error(`card service unavailable (attempt ${attempt})`);
  }
  return `payment-${order.id}-${order.amountCents}`;
}
