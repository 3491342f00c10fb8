package sim

import (
	"fmt"
	"slices"

	"odradek/core/prng"
)

// Edit is the list of what a run decides beyond its options: which faults strike, what clients give, how long it lasts. A run writes its own down (Result.Decisions).
// A run that is given one does what it says and draws none of it, so that parts can be left out and the rest happens when it did. The whole list of a seed gives the
// run of that seed, event for event.
type Edit struct {
	Faults  []Blow       `json:"faults"`  // in the order in which they fall
	Clients []ClientEdit `json:"clients"` // by client
	Ends    Time         `json:"ends"`    // when faults stop, at the latest
	CalmNet bool         `json:"calm-network,omitempty"`
	CalmHD  bool         `json:"calm-disk,omitempty"` // and the host's delays
	Salt    uint64       `json:"salt,omitempty"`      // draws other delays, and other things that a power loss keeps
}

// Blow is one fault: which, when, and where its generator stood.
type Blow struct {
	Kind  Fault  `json:"kind"`
	At    Time   `json:"at"`
	From  Origin `json:"from"`
	Drawn uint64 `json:"drawn"`
	Node  int32  `json:"node,omitempty"` // FromStart: which starts
}

// Fault is a kind of fault as others know it; it is written as its name.
type Fault int

// Origin is what has a fault fall.
type Origin string

// The origins.
const (
	FromKind  Origin = "kind" // the kind's own generator
	FromTopUp Origin = "top-up"
	FromStart Origin = "start" // a process starts
	FromEnd   Origin = "end"   // faults stop: what one copy cannot replace
)

func (f Fault) String() string { return faultTable[f].name }

// MarshalText writes a kind as its name.
func (f Fault) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText reads one.
func (f *Fault) UnmarshalText(name []byte) error {
	i := slices.Index(FaultNames(), string(name))
	if *f = Fault(i); i < 0 {
		return fmt.Errorf("there is no fault %q", name)
	}
	return nil
}

// ClientEdit is what one client does. Whatever it does not, it makes its topic.
type ClientEdit struct {
	Batches  []Give `json:"batches"`
	NoReads  bool   `json:"no-reads,omitempty"`
	Steady   bool   `json:"steady,omitempty"` // it reads, and neither seeks nor pauses nor is at something else
	NoChurn  bool   `json:"no-churn,omitempty"`
	NoAlters bool   `json:"no-alters,omitempty"`
	NoTrims  bool   `json:"no-trims,omitempty"`
}

// Give is one batch: when it was given, and where the client's generator stood.
type Give struct {
	At    Time   `json:"at"`
	Drawn uint64 `json:"drawn"`
}

// Clone returns a copy that shares nothing.
func (e *Edit) Clone() Edit {
	c := *e
	c.Faults, c.Clients = slices.Clone(e.Faults), slices.Clone(e.Clients)
	for i := range c.Clients {
		c.Clients[i].Batches = slices.Clone(c.Clients[i].Batches)
	}
	return c
}

// Check finds what cannot be carried out in a world of these options.
func (e *Edit) Check(o *Options) error {
	if len(e.Clients) != len(o.Clients) {
		return fmt.Errorf("there are %d clients, and the seed has %d", len(e.Clients), len(o.Clients))
	}
	for i, b := range e.Faults {
		if !slices.Contains([]Origin{FromKind, FromTopUp, FromStart, FromEnd}, b.From) {
			return fmt.Errorf("fault %d comes from %q", i, b.From)
		}
		if faultKind(b.Kind).isLast() != (b.From == FromEnd) {
			return fmt.Errorf("fault %d: %s cannot come from %q", i, b.Kind, b.From)
		}
	}
	return nil
}

// source is that of a part of the world whose draws no decision names.
func (w *World) source(p purpose) prng.Source {
	if w.cfg.Edit != nil {
		p |= purpose(w.cfg.Edit.Salt << 16)
	}
	return source(w.opt.Seed, p)
}

// edit changes the options as the edit says, and has its faults fall. The options are this run's own, but for what their slices hold.
func (w *World) edit() {
	e := w.cfg.Edit
	if err := e.Check(w.opt); err != nil {
		w.fail(Crash, "edit", err.Error())
		return
	}
	if e.CalmNet {
		w.opt.calmNetwork()
		w.opt.Network.Cut = 0
	}
	if e.CalmHD {
		w.opt.calmDisk()
	}
	for _, k := range lastFaults {
		if !slices.ContainsFunc(e.Faults, func(b Blow) bool { return faultKind(b.Kind) == k }) {
			w.opt.Faults[k] = 0
		}
	}
	for i := range e.Faults {
		if b := &e.Faults[i]; b.From != FromEnd {
			w.at(event{kind: evReplay, at: b.At, n: uint64(i)})
		}
	}
}

// ends is when faults stop.
func (w *World) ends() Time {
	if w.cfg.Edit == nil {
		return w.opt.Safety
	}
	return min(w.opt.Safety, w.cfg.Edit.Ends)
}

// decided writes down that a fault falls, whose generator stood at drawn.
func (w *World) decided(k faultKind, from Origin, drawn uint64) {
	w.decisions.Faults = append(w.decisions.Faults, Blow{Kind: Fault(k), At: w.now, From: from, Drawn: drawn})
}

// replay lets a fault of the edit fall as it did: from the same place of its generator, with the same draws.
func (w *World) replay(b *Blow) {
	k := faultKind(b.Kind)
	switch {
	case w.phase != phaseSafety:
	case b.From == FromTopUp:
		w.more.Seek(b.Drawn)
		w.fallBesides()
	case b.From == FromStart:
		w.faults[k].Seek(b.Drawn)
		w.nodes[b.Node].cutSoon()
	default:
		w.faults[k].Seek(b.Drawn)
		w.fall(k)
	}
}

// edit is what the edit says of a client; nil: there is none, or the client reads last of all.
func (c *client) edit() *ClientEdit {
	if e := c.w.cfg.Edit; e != nil && int(c.id) < len(e.Clients) {
		return &e.Clients[c.id]
	}
	return nil
}

// gives writes down that a client gives a batch.
func (w *World) gives(c *client) {
	d := &w.decisions.Clients[c.id]
	d.Batches = append(d.Batches, Give{At: w.now, Drawn: c.rng.Drawn()})
}
