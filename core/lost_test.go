package core

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/image"
	"odradek/core/record"
	"odradek/core/stream"
)

// A replica in which recovery found damage is written down as in a lost directory before its broker is unfenced, so that nobody elects it; then its log is emptied, copied anew, and written
// down where it lies.
func TestDamagedReplicaIsCopiedAnew(t *testing.T) {
	v := newVoters(t, 4)
	v.allReady()
	hurt := v.other(v.controller())
	v.mustCreate(v.controller(), "a", 1)
	a, _ := v.nodes[hurt].core.meta.committed.Topic("a")
	id, self := stream.ID{Topic: a.ID}, record.NodeID(hurt)
	home := a.Partitions[0].DirectoryOf(self)
	v.kill(hurt)
	var told []record.UUID
	v.calls = func(from int, body kmsg.Request) {
		switch r := body.(type) {
		case *kmsg.AssignReplicasToDirsRequest:
			for _, d := range r.Directories {
				if from == hurt && d.Topics[0].TopicID == a.ID {
					told = append(told, d.ID)
				}
			}
		case *kmsg.BrokerHeartbeatRequest:
			if from == hurt && !r.WantFence && len(told) == 0 {
				t.Error("it wants to be unfenced, and has not told of its damage")
			}
		}
	}
	v.nodes[hurt].found = []Event{{Kind: EvOpened, Stream: id, Opened: &Opened{Exists: true, Topic: "a", LogEnd: 9, Durable: 9, HighWatermark: 9,
		Segments: []stream.Segment{{Size: 900}}, Lost: []OffsetRange{{From: 3, To: 5, Why: "its CRC"}}}}}
	v.start(hurt)
	v.allReady()
	v.run(1000)
	if len(told) != 2 || told[0] != image.DirLost || told[1] != home {
		t.Fatalf("the controller was told %v; want a lost directory, then %v", told, home)
	}
	rep := v.nodes[hurt].core.replicas[id]
	if len(rep.lost) > 0 || rep.Ends.Log != 0 {
		t.Fatalf("its log ends at %d, and lacks %v; it was not emptied", rep.Ends.Log, rep.lost)
	}
}

// A damaged replica fetches nothing before its log is emptied: the fetch offset claims all that is below, and a fetch that was still on its way when the emptied log was written down as good
// let the replica into the ISR (seed 1541 of cluster).
func TestDamagedReplicaClaimsNothing(t *testing.T) {
	c, rep, _ := copier(t)
	c.stopCopying(rep)
	rep.lost = []OffsetRange{{From: 1, To: 2, Why: "its CRC"}}
	c.copyFrom(rep)
	if ids, _ := c.named(); len(ids) != 0 {
		t.Fatalf("it asks for offset %d, and lacks %v", rep.copying.offset, rep.lost)
	}
	c.beginCut(rep, cut{all: true})
	if rep.cut != nil {
		c.carryOutCut(rep)
	}
	c.replicaTruncated(rep.ID, rep.Generation, &Opened{Exists: true, Topic: rep.Topic})
	if rep.copying.from.busy { // with the fetch that left the session
		c.fetched(rep.copying.from, kmsg.NewPtrFetchResponse())
	}
	if ids, _ := c.named(); len(ids) != 1 || rep.copying.offset != 0 {
		t.Fatalf("emptied, it asks for %v from offset %d", ids, rep.copying.offset)
	}
}

// A damaged replica is written down as in a lost directory while others are eligible, and until it is copied anew. If they have left the ELR since, by an unclean start, and it is the last known
// leader, it is written down where it lies: what is whole of it is all that there is.
func TestLastKnownLeaderIsDamaged(t *testing.T) {
	c, rep, _ := copier(t)
	home, other := c.dirs[rep.Dir].id, c.self+1
	p := c.committedPartition(rep)
	p.Replicas = []record.NodeID{c.self, other}
	for _, x := range []struct {
		leader              record.NodeID
		isr, elr, lastKnown []record.NodeID
		dir, want           record.UUID
		whole               bool
	}{
		{leader: c.self, isr: []record.NodeID{c.self}, dir: home, want: home},
		{leader: c.self, isr: []record.NodeID{c.self}, elr: []record.NodeID{other}, dir: home, want: image.DirLost},
		{leader: record.NoNode, elr: []record.NodeID{other}, lastKnown: []record.NodeID{c.self}, dir: image.DirLost, want: image.DirLost},
		{leader: record.NoNode, lastKnown: []record.NodeID{c.self}, dir: image.DirLost, want: home},
		{leader: record.NoNode, lastKnown: []record.NodeID{other}, dir: image.DirLost, want: image.DirLost},
		{leader: other, isr: []record.NodeID{other}, dir: image.DirLost, want: image.DirLost},
		{leader: other, isr: []record.NodeID{other}, dir: image.DirLost, want: home, whole: true},
	} {
		p.Leader, p.Isr, p.Elr, p.LastKnownElr, p.Directories = x.leader, x.isr, x.elr, x.lastKnown, []record.UUID{x.dir, home}
		if rep.lost = nil; !x.whole {
			rep.lost = []OffsetRange{{From: 0, To: 1, Why: "its CRC"}}
		}
		if rep.told = (toldDir{}); x.dir == image.DirLost {
			rep.told.dir = image.DirLost // as it has heard
		}
		if got, differs := c.directoryToTell(rep.ID); got != x.want || differs != (x.dir != x.want) {
			t.Errorf("leader %d, ISR %v, ELR %v and %v, written down in %v: it tells of %v (%t), want %v", x.leader, x.isr, x.elr, x.lastKnown, x.dir, got, differs, x.want)
		}
	}
}

// What is damaged is kept beside the copy, unless the copy needs its space.
func TestDamagedSegmentsAreKept(t *testing.T) {
	for _, x := range []struct {
		free int64
		kept bool
	}{{1 << 40, true}, {diskReserve, false}} {
		c, rep, _ := copier(t)
		other := c.self + 1
		p := c.committedPartition(rep)
		p.Replicas, p.Leader, p.Isr, p.Directories = []record.NodeID{c.self, other}, other, []record.NodeID{other}, []record.UUID{image.DirLost, c.dirs[rep.Dir].id}
		rep.lost = []OffsetRange{{From: 1, To: 2, Why: "its CRC"}}
		c.dirs[rep.Dir].free = x.free
		if c.repair(rep, p); rep.cut != nil {
			c.carryOutCut(rep)
		}
		ops := c.fx.Disk
		if n := len(ops); n == 0 || ops[n-1].Kind != DiskTruncate || !ops[n-1].All || (len(ops[n-1].Aside) == 1) != x.kept {
			t.Errorf("with %d bytes free: %+v", x.free, ops)
		}
	}
}
