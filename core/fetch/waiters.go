// Package fetch keeps the fetches that wait for records (min_bytes is not there yet and max_wait has not passed), and the sessions of incremental fetches.
package fetch

import (
	"cmp"
	"slices"

	"odradek/core/api"
	"odradek/core/record"
	"odradek/core/stream"
)

// Waiter is one parked fetch.
type Waiter struct {
	ID          uint64
	Conn        uint64
	Correlation int32
	At          api.Reached // where the client reached us
	Request     *api.FetchRequest
	Streams     []stream.ID // of the partitions asked for, in the request's order
	Session     *Session    // of an incremental fetch: it has the streams, and Streams is empty
	Epoch       int32       // of Session: with another one, the session has gone on without this fetch
	Have, Want  int64       // bytes readable so far; bytes that end the wait
}

// Waiters holds the parked fetches. A connection has at most one, so their number is bounded by max.connections.
type Waiters struct {
	byID     map[uint64]*Waiter
	byConn   map[uint64]*Waiter
	byStream map[stream.ID][]*Waiter // in the order of parking
}

// Len returns the number of parked fetches.
func (w *Waiters) Len() int { return len(w.byID) }

// Park registers a fetch with each of its streams. A request that names a stream twice is registered there twice: its bytes count twice, so its wait
// ends early, which is harmless.
func (w *Waiters) Park(f *Waiter) {
	if w.byID == nil {
		w.byID, w.byConn, w.byStream = map[uint64]*Waiter{}, map[uint64]*Waiter{}, map[stream.ID][]*Waiter{}
	}
	w.byID[f.ID] = f
	w.byConn[f.Conn] = f
	if f.Session != nil {
		f.Session.waiter = f
	}
	for _, s := range f.Streams {
		w.byStream[s] = append(w.byStream[s], f)
	}
}

// Moved tells the waiters of a stream that so many bytes more can be read, and appends to ready those that have enough. They stay parked until Remove.
func (w *Waiters) Moved(s stream.ID, bytes int64, ready []*Waiter) []*Waiter {
	for _, f := range w.byStream[s] {
		if f.Have += bytes; f.Have >= f.Want {
			ready = append(ready, f)
		}
	}
	return ready
}

// All appends every waiter of a stream to ready: something other than bytes changed there.
func (w *Waiters) All(s stream.ID, ready []*Waiter) []*Waiter { return append(ready, w.byStream[s]...) }

// Waits reports whether anybody waits on a stream.
func (w *Waiters) Waits(s stream.ID) bool { return len(w.byStream[s]) > 0 }

// Get returns the waiter of that id.
func (w *Waiters) Get(id uint64) (*Waiter, bool) {
	f, ok := w.byID[id]
	return f, ok
}

// OfConn returns the waiter of a connection.
func (w *Waiters) OfConn(conn uint64) (*Waiter, bool) {
	f, ok := w.byConn[conn]
	return f, ok
}

// Of returns the waiters of a replica, in the order of parking.
func (w *Waiters) Of(replica record.NodeID) (list []*Waiter) {
	for _, f := range w.byID { // any order: sorted below
		if f.Request.ReplicaID == replica {
			list = append(list, f)
		}
	}
	slices.SortFunc(list, func(a, b *Waiter) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

// Remove forgets a waiter; removing it again does nothing.
func (w *Waiters) Remove(f *Waiter) {
	if w.byID[f.ID] != f {
		return
	}
	delete(w.byID, f.ID)
	if w.byConn[f.Conn] == f {
		delete(w.byConn, f.Conn)
	}
	if f.Session != nil && f.Session.waiter == f {
		f.Session.waiter = nil
	}
	for _, s := range f.Streams {
		list := w.byStream[s]
		for j, g := range list {
			if g == f {
				list = append(list[:j], list[j+1:]...)
				break
			}
		}
		if w.byStream[s] = list; len(list) == 0 {
			delete(w.byStream, s)
		}
	}
}
