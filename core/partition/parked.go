package partition

import (
	"slices"

	"odradek/core/errcode"
	"odradek/core/record"
)

// parkedProduce waits until everything below upTo is acknowledged.
type parkedProduce struct {
	upTo    record.Offset
	produce uint64
	index   int32
}

// parkedProduces is a queue by rising offset. Appends come in order; only a duplicate, which waits for its original, is put further ahead.
// Its length is bounded by connections times requests in flight on each.
type parkedProduces struct {
	items []parkedProduce
	head  int
}

func (q *parkedProduces) push(p parkedProduce) {
	if q.head == len(q.items) {
		q.items, q.head = q.items[:0], 0
	}
	i := len(q.items)
	for i > q.head && q.items[i-1].upTo > p.upTo {
		i--
	}
	q.items = slices.Insert(q.items, i, p)
}

// pop lets go whoever waits for an offset at or below end.
func (q *parkedProduces) pop(end record.Offset, facts *Facts) {
	for q.head < len(q.items) && q.items[q.head].upTo <= end {
		facts.Acked = append(facts.Acked, Ack{Produce: q.items[q.head].produce, Index: q.items[q.head].index})
		q.head++
	}
	if q.head > 1024 && q.head*2 > len(q.items) {
		q.items = q.items[:copy(q.items, q.items[q.head:])]
		q.head = 0
	}
}

// drain lets everyone go with code.
func (q *parkedProduces) drain(code errcode.Code, facts *Facts) {
	for _, p := range q.items[q.head:] {
		facts.Acked = append(facts.Acked, Ack{Produce: p.produce, Index: p.index, Err: code})
	}
	q.items, q.head = q.items[:0], 0
}
