export const taskQueue = 'orders-typescript';

export interface Order {
  id: string;
  item: string;
  amountCents: number;
  address: string;
  packingMilliseconds: number;
}

export interface Receipt {
  orderId: string;
  paymentId: string;
  approver: string;
  address: string;
  parcel: string;
}
