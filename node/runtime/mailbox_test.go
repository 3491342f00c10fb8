package runtime

import (
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"odradek/core"
)

// Completions go before requests; a Timeout never goes before a request that was there before it.
func TestMailboxLanes(t *testing.T) {
	var m mailbox
	var got []core.EventKind
	m.init(func(events []core.Event) {
		if len(got) == 0 { // all of these come during the first turn
			for _, k := range []core.EventKind{core.EvRequest, core.EvWritten, core.EvTimeout, core.EvConnClosed, core.EvRequest, core.EvSpace, core.EvDurable} {
				if !m.submit([]core.Event{{Kind: k}}) {
					t.Error("refused")
				}
			}
		}
		for i := range events {
			got = append(got, events[i].Kind)
		}
	})
	m.submit([]core.Event{{Kind: core.EvBoot}})
	want := []core.EventKind{core.EvBoot, core.EvWritten, core.EvSpace, core.EvDurable, core.EvRequest, core.EvTimeout, core.EvConnClosed, core.EvRequest}
	if !slices.Equal(got, want) {
		t.Errorf("stepped %v, want %v", got, want)
	}
}

// Every event is stepped once, in the order of its submitter and lane, one turn at a time; close waits for the last of them.
func TestMailboxConcurrent(t *testing.T) {
	const submitters, each = 8, 4000
	var m mailbox
	var busy atomic.Int32
	got := map[core.ConnID]map[core.EventKind][]int64{}
	taken := 0
	m.init(func(events []core.Event) {
		if busy.Add(1) != 1 {
			t.Error("two turns at once")
		}
		if len(events) == 0 || len(events) > turnEvents {
			t.Errorf("a turn of %d events", len(events))
		}
		for _, ev := range events {
			if got[ev.Conn] == nil {
				got[ev.Conn] = map[core.EventKind][]int64{}
			}
			got[ev.Conn][ev.Kind] = append(got[ev.Conn][ev.Kind], ev.Free)
			taken++
		}
		busy.Add(-1)
	})
	var group sync.WaitGroup
	accepted := make([]int, submitters)
	for s := range submitters {
		group.Go(func() {
			rng := rand.New(rand.NewPCG(1, uint64(s)))
			for i := 0; i < each; {
				var events []core.Event
				kind := []core.EventKind{core.EvRequest, core.EvWritten}[rng.IntN(2)]
				for range 1 + rng.IntN(5) {
					events = append(events, core.Event{Kind: kind, Conn: core.ConnID(s), Free: int64(i)})
					i++
				}
				if !m.submit(events) {
					return // closed: so are all later ones
				}
				accepted[s] += len(events)
				if s == 0 && i > each/2 {
					go m.close()
				}
			}
		})
	}
	group.Wait()
	m.close()
	sum := 0
	for s, n := range accepted {
		sum += n
		count := 0
		for kind, numbers := range got[core.ConnID(s)] {
			count += len(numbers)
			if !slices.IsSorted(numbers) || len(slices.Compact(slices.Clone(numbers))) != len(numbers) {
				t.Errorf("submitter %d: events of kind %d out of order or twice", s, kind)
			}
		}
		if count != n {
			t.Errorf("submitter %d: %d events stepped of %d", s, count, n)
		}
	}
	if taken != sum || sum < each/2 {
		t.Errorf("%d events stepped, %d accepted", taken, sum)
	}
	if m.submit([]core.Event{{Kind: core.EvSpace}}) {
		t.Error("a closed mailbox takes events")
	}
}

// Whoever brings an event is not kept for as long as others bring more.
func TestMailboxHandsOn(t *testing.T) {
	var m mailbox
	var enough atomic.Bool
	m.init(func([]core.Event) {
		if !enough.Load() {
			m.submit([]core.Event{{Kind: core.EvRequest}})
		}
	})
	returned := make(chan struct{})
	go func() {
		m.submit([]core.Event{{Kind: core.EvDurable}})
		close(returned)
	}()
	select {
	case <-returned:
	case <-time.After(5 * time.Second):
		t.Error("still attending after 5 s")
	}
	enough.Store(true)
	m.close()
}

// lane against a plain slice.
func TestLane(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 0))
	var l lane
	var plain []core.Event
	var next core.JobID
	for range 20_000 {
		for range rng.IntN(2 + 40*rng.IntN(2)) {
			next++
			ev := core.Event{Job: next}
			l.push(&ev)
			plain = append(plain, ev)
		}
		n := rng.IntN(64)
		got := l.move(nil, n)
		n = min(n, len(plain))
		if !slices.Equal(got, plain[:n]) {
			t.Fatalf("moved %v, want %v", got, plain[:n])
		}
		plain = plain[n:]
		if len(l.events)-l.head != len(plain) {
			t.Fatalf("%d left, want %d", len(l.events)-l.head, len(plain))
		}
	}
	if cap(l.events) > 4*laneKept {
		t.Errorf("room for %d events is kept", cap(l.events))
	}
}
