package match

import "container/heap"

// Item is a value with its place in an [Order]. It is in one order at a time.
type Item[T any] struct {
	Value    T
	Age      int64 // lower (older) first
	Tie      int64 // lower first among equal ages
	position int   // in the heap, counted from 1; zero: in no order
}

// Queued tells whether the item is in an order.
func (i *Item[T]) Queued() bool { return i.position > 0 }

// Order keeps items by age. The zero value is empty and ready.
type Order[T any] struct{ items itemHeap[T] }

// Len is the number of items.
func (o *Order[T]) Len() int { return len(o.items) }

// Push adds an item that is in no order.
func (o *Order[T]) Push(i *Item[T]) { heap.Push(&o.items, i) }

// First is the item that goes out next, nil when there is none.
func (o *Order[T]) First() *Item[T] {
	if len(o.items) == 0 {
		return nil
	}
	return o.items[0]
}

// Pop removes and returns the item that goes out next, nil when there is none.
func (o *Order[T]) Pop() *Item[T] {
	if len(o.items) == 0 {
		return nil
	}
	return heap.Pop(&o.items).(*Item[T])
}

// Remove takes an item out of this order. An item that is in none is left alone.
func (o *Order[T]) Remove(i *Item[T]) {
	if i.Queued() {
		heap.Remove(&o.items, i.position-1)
	}
}

// Each visits all items in no particular order. visit must not change the order.
func (o *Order[T]) Each(visit func(*Item[T])) {
	for _, i := range o.items {
		visit(i)
	}
}

type itemHeap[T any] []*Item[T]

func (h itemHeap[T]) Len() int { return len(h) }

func (h itemHeap[T]) Less(a, b int) bool {
	if h[a].Age != h[b].Age {
		return h[a].Age < h[b].Age
	}
	return h[a].Tie < h[b].Tie
}

func (h itemHeap[T]) Swap(a, b int) {
	h[a], h[b] = h[b], h[a]
	h[a].position, h[b].position = a+1, b+1
}

func (h *itemHeap[T]) Push(x any) {
	i := x.(*Item[T])
	*h = append(*h, i)
	i.position = len(*h)
}

func (h *itemHeap[T]) Pop() any {
	last := len(*h) - 1
	i := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	i.position = 0
	return i
}
