package clientlib

import (
	"cmp"
	"slices"
)

// callbacksMax is how many outcomes may wait to be told, before Send waits.
const callbacksMax = 1 << 16

// outcome is how somebody is told what became of a record.
type outcome struct {
	done   func(Sent, error)
	answer chan told // of SendWait: told at once
	order  uint64    // of Send; 0: nobody is waiting
}

// told is an outcome with what became of the record.
type told struct {
	done func(Sent, error)
	sent Sent
	err  error
}

// callbacks are who is to be told, and those whose turn it is. The client's mu guards it.
type callbacks struct {
	expected []outcome // by the number that the machine knows a record by
	free     []uint64  // numbers in no use
	last     uint64
	queue    []told
	untold   int // in queue, or being told
	wake     chan struct{}
}

func (k *callbacks) full() bool { return k.untold >= callbacksMax }

// expect returns a number for a record.
func (k *callbacks) expect(o outcome) uint64 {
	k.last++
	o.order = k.last
	if n := len(k.free); n > 0 {
		id := k.free[n-1]
		k.free = k.free[:n-1]
		k.expected[id] = o
		return id
	}
	k.expected = append(k.expected, o)
	return uint64(len(k.expected) - 1)
}

// take returns who was to be told, and frees the number.
func (k *callbacks) take(id uint64) outcome {
	o := k.expected[id]
	k.expected[id] = outcome{}
	k.free = append(k.free, id)
	return o
}

// tell has somebody told, after those before.
func (k *callbacks) tell(id uint64, sent Sent, err error) {
	o := k.take(id)
	switch {
	case o.answer != nil:
		o.answer <- told{sent: sent, err: err}
	case o.done != nil:
		k.queue = append(k.queue, told{o.done, sent, err})
		k.untold++
		select {
		case k.wake <- struct{}{}:
		default:
		}
	}
}

// abandon tells everybody that nothing is known, in the order of Send.
func (k *callbacks) abandon(err error) {
	var ids []uint64
	for id := range k.expected {
		if k.expected[id].order > 0 {
			ids = append(ids, uint64(id))
		}
	}
	slices.SortFunc(ids, func(a, b uint64) int { return cmp.Compare(k.expected[a].order, k.expected[b].order) })
	for _, id := range ids {
		k.tell(id, Sent{Partition: NoPartition, Offset: -1}, err)
	}
}

// dispatch calls the callbacks, without the client's mu, until the client is closed and nobody is left to be told.
func (p *Producer) dispatch() {
	var list []told
	for {
		p.c.mu.Lock()
		if n := len(list); n > 0 {
			p.calls.untold -= n
			p.roomier()
		}
		clear(list)
		list, p.calls.queue = p.calls.queue, list[:0]
		closed := p.c.closed
		p.c.mu.Unlock()
		for i := range list {
			list[i].done(list[i].sent, list[i].err)
		}
		switch {
		case len(list) > 0:
		case closed:
			return
		default:
			select {
			case <-p.calls.wake:
			case <-p.c.ctx.Done():
			}
		}
	}
}
