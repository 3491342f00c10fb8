// Package timer keeps keyed deadlines. Setting a key again replaces its deadline; a cancelled key never fires.
package timer

// Queue is a binary heap of deadlines by (deadline, order of setting), so that equal deadlines fire in the order in which they were set.
// K names what is due. The zero Queue is ready.
type Queue[K comparable] struct {
	heap  []item[K]
	place map[K]int
	next  uint64
}

type item[K comparable] struct {
	at  int64 // monotonic nanoseconds
	seq uint64
	key K
}

// Len returns the number of deadlines set.
func (q *Queue[K]) Len() int { return len(q.heap) }

// Set makes key due at the given monotonic time in nanoseconds.
func (q *Queue[K]) Set(key K, at int64) {
	q.Cancel(key)
	if q.place == nil {
		q.place = make(map[K]int)
	}
	q.next++
	q.heap = append(q.heap, item[K]{at, q.next, key})
	q.place[key] = len(q.heap) - 1
	q.up(len(q.heap) - 1)
}

// Cancel forgets key.
func (q *Queue[K]) Cancel(key K) {
	i, ok := q.place[key]
	if !ok {
		return
	}
	last := len(q.heap) - 1
	q.swap(i, last)
	q.heap = q.heap[:last]
	delete(q.place, key)
	if i < last {
		q.down(i)
		q.up(i)
	}
}

// Next returns the earliest deadline.
func (q *Queue[K]) Next() (at int64, ok bool) {
	if len(q.heap) == 0 {
		return 0, false
	}
	return q.heap[0].at, true
}

// Pop removes and returns the earliest key that is due at now.
func (q *Queue[K]) Pop(now int64) (key K, ok bool) {
	if len(q.heap) == 0 || q.heap[0].at > now {
		return key, false
	}
	key = q.heap[0].key
	q.Cancel(key)
	return key, true
}

func (q *Queue[K]) less(i, j int) bool {
	a, b := &q.heap[i], &q.heap[j]
	return a.at < b.at || (a.at == b.at && a.seq < b.seq)
}

func (q *Queue[K]) swap(i, j int) {
	q.heap[i], q.heap[j] = q.heap[j], q.heap[i]
	q.place[q.heap[i].key], q.place[q.heap[j].key] = i, j
}

func (q *Queue[K]) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if !q.less(i, parent) {
			return
		}
		q.swap(i, parent)
		i = parent
	}
}

func (q *Queue[K]) down(i int) {
	for {
		child := 2*i + 1
		if child >= len(q.heap) {
			return
		}
		if child+1 < len(q.heap) && q.less(child+1, child) {
			child++
		}
		if !q.less(child, i) {
			return
		}
		q.swap(i, child)
		i = child
	}
}
