package load

import (
	"odradek/core/errcode"
	"odradek/core/record"
)

// acked counts an acknowledged request.
func (l *loop) acked(f *flight, now int64, base record.Offset) {
	r := &l.result
	r.AllBatches++
	r.AllRecords += int64(f.records)
	if now >= l.from {
		r.SinceRecords += int64(f.records)
		r.SinceBatches++
		r.SinceValues += int64(f.values)
		r.SinceWire += int64(f.wire)
		if now < l.to {
			r.Records += int64(f.records)
			r.Batches++
			r.Values += int64(f.values)
		}
	}
	l.latencies(f, now)
	if l.measured(f.due) && l.cfg.Echoed {
		r.Back.Record(now - int64(base))
	}
	if f.gather == nil && l.schedule != nil && l.made.batches[0].stampAt < 0 {
		r.Places = append(r.Places, Place{f.partition, base, f.due})
	}
	if f.gather != nil {
		l.client.free(f.gather)
	}
}

func (l *loop) measured(due int64) bool { return due >= l.from && due < l.to }

// latencies counts how long a request took, and how long each record of a gathered one.
func (l *loop) latencies(f *flight, now int64) {
	r := &l.result
	if f.gather != nil {
		for _, due := range f.gather.due {
			if l.measured(due) {
				r.Due.Record(now - due)
			}
		}
	} else if l.measured(f.due) {
		r.Due.Record(now - f.due)
	}
	if l.measured(f.due) {
		r.Sent.Record(now - f.sent)
		r.Late.Record(f.sent - f.due)
	}
}

// refused counts an answer with an error.
func (l *loop) refused(f *flight, code errcode.Code) {
	if l.result.Errors++; l.result.FirstError == "" {
		l.result.FirstError = code.String()
	}
	if f.gather != nil {
		l.client.free(f.gather)
	}
}

// abandon ends a run in which the broker has not kept up: what has no acknowledgement counts as having waited until now.
func (l *loop) abandon(now int64) {
	for _, k := range l.links {
		for k.flights.len() > 0 {
			f := k.flights.pop()
			l.lost(&f, now)
		}
		for k.ready.len() > 0 {
			u := k.ready.pop()
			l.lost(&flight{due: u.due, sent: now, gather: u.gather}, now)
		}
	}
}

func (l *loop) lost(f *flight, now int64) {
	if l.measured(f.due) {
		l.result.Unanswered++
	}
	l.latencies(f, now)
}

// fifo is a queue whose memory is used again.
type fifo[T any] struct {
	items []T
	head  int
}

func (q *fifo[T]) len() int { return len(q.items) - q.head }

func (q *fifo[T]) push(v T) {
	if q.head > 64 && q.head*2 > len(q.items) {
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	q.items = append(q.items, v)
}

func (q *fifo[T]) first() *T { return &q.items[q.head] }

func (q *fifo[T]) pop() (v T) {
	v = q.items[q.head]
	q.head++
	return v
}
