package core

import (
	"fmt"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/errcode"
	"odradek/core/image"
	"odradek/core/record"
)

// allReady waits until every node that runs serves.
func (v *voters) allReady() {
	for range 100 {
		v.run(100)
		ready := true
		for _, n := range v.nodes {
			ready = ready && (n.core == nil || n.core.meta.stage == stageReady)
		}
		if ready {
			return
		}
	}
	for i, n := range v.nodes {
		if n.core != nil {
			v.t.Logf("node %d: stage %d, epoch %d, controller %d\n%s", i, n.core.meta.stage, n.core.life.epoch, n.core.life.controller, imageText(n.core.meta.committed))
		}
	}
	v.t.Fatal("not every node serves")
}

// controller is the node that leads the quorum.
func (v *voters) controller() int {
	for i, n := range v.nodes {
		if n.core != nil && n.core.ctl.active {
			return i
		}
	}
	v.t.Fatal("nobody controls")
	return -1
}

// sound checks what holds of every partition at all times: the leader takes part and is in sync, and no epoch falls. It returns how many each node leads.
func (v *voters) sound(i int, terms map[string][2]int32) map[record.NodeID]int {
	img := v.nodes[i].core.meta.committed
	leads := map[record.NodeID]int{}
	for t := range img.Topics() {
		for k, p := range t.Partitions {
			name := fmt.Sprint(t.Name, "-", k)
			leads[p.Leader]++
			b, ok := img.Broker(p.Leader)
			if p.Leader != record.NoNode && (!ok || b.Fenced || b.InControlledShutdown || !slices.Contains(p.Isr, p.Leader)) {
				v.t.Fatalf("%s is led by %d, ISR %v, broker %+v", name, p.Leader, p.Isr, b)
			}
			if was := terms[name]; int32(p.LeaderEpoch) < was[0] || p.PartitionEpoch < was[1] {
				v.t.Fatalf("%s: epochs %d and %d follow upon %v", name, p.LeaderEpoch, p.PartitionEpoch, was)
			}
			terms[name] = [2]int32{int32(p.LeaderEpoch), p.PartitionEpoch}
		}
	}
	return leads
}

// other is a node that runs and is none of those.
func (v *voters) other(than ...int) int {
	for i, n := range v.nodes {
		if n.core != nil && !slices.Contains(than, i) {
			return i
		}
	}
	v.t.Fatal("no such node")
	return -1
}

func (v *voters) mustCreate(at int, topic string, partitions int32) {
	v.t.Helper()
	code := v.createOf(at, topic, partitions, 3)
	for k := 0; k < 20 && *code == -2; k++ {
		v.run(100)
	}
	if *code != 0 {
		v.t.Fatalf("topic %s: error %v", topic, errcode.Code(*code))
	}
	v.run(500)
}

// TestBrokerDies: of a thousand partitions those of a broker that dies have other leaders in one append to the metadata log. When it comes back it is another
// incarnation, which leads nothing in an epoch that the last one led in.
func TestBrokerDies(t *testing.T) {
	for seed := range uint64(5) {
		v := newVoters(t, seed)
		v.allReady()
		control := v.controller()
		dead := v.other(control)
		v.mustCreate(dead, "a", 1000) // at a node that sends it on
		terms := map[string][2]int32{}
		if leads := v.sound(control, terms); len(leads) != 3 || leads[record.NodeID(dead)] < 300 {
			t.Fatalf("seed %d: leaders %v", seed, leads)
		}
		before := len(v.nodes[control].appends)
		v.kill(dead)
		v.run(v.nodes[control].core.cfg.Replication.SessionMs + 500)
		leads := v.sound(control, terms)
		if len(leads) != 2 || leads[record.NodeID(dead)] != 0 {
			t.Fatalf("seed %d: after the death of %d: leaders %v", seed, dead, leads)
		}
		if made := v.nodes[control].appends[before:]; len(made) != 1 || made[0] != 1001 {
			t.Fatalf("seed %d: batches of %v records instead of one of 1001", seed, made)
		}
		a, _ := v.nodes[control].core.meta.committed.Topic("a")
		for i, p := range a.Partitions {
			if slices.Contains(p.Isr, record.NodeID(dead)) || len(p.Isr) != 2 {
				t.Fatalf("seed %d: partition %d has ISR %v", seed, i, p.Isr)
			}
		}
		v.start(dead)
		v.allReady()
		v.agree()
		if leads := v.sound(dead, terms); leads[record.NodeID(dead)] != 0 {
			t.Fatalf("seed %d: it is not in sync and leads: %v", seed, leads)
		}
	}
}

// TestControllerDies: the next controller fences the last one's broker. Requests of clients wait for it.
func TestControllerDies(t *testing.T) {
	for seed := range uint64(10) {
		v := newVoters(t, seed)
		v.allReady()
		first := v.controller()
		at := v.other(first)
		v.mustCreate(at, "a", 30)
		terms := map[string][2]int32{}
		v.sound(at, terms)
		v.kill(first)
		code := v.createOf(at, "b", 3, 2)
		v.run(10_000)
		if *code != 0 {
			t.Fatalf("seed %d: a topic that was asked for without a controller: %v", seed, errcode.Code(*code))
		}
		second := v.controller()
		leads := v.sound(second, terms)
		if b, ok := v.nodes[second].core.meta.committed.Broker(record.NodeID(first)); !ok || !b.Fenced || leads[record.NodeID(first)] != 0 || leads[record.NoNode] != 0 {
			t.Fatalf("seed %d: the dead one is %+v and leads %v", seed, b, leads)
		}
		v.start(first)
		v.allReady()
		v.agree()
	}
}

// TestControlledShutdown: a broker that stops in order ends when others lead what it led, and is fenced then. Its next registration names the epoch it left with.
func TestControlledShutdown(t *testing.T) {
	for seed := range uint64(10) {
		v := newVoters(t, seed)
		v.allReady()
		control := v.controller()
		leaves := control
		if seed%2 == 0 { // the controller itself in half of them
			leaves = v.other(control)
		}
		v.mustCreate(control, "a", 30)
		rest := v.other(leaves)
		terms := map[string][2]int32{}
		v.sound(rest, terms)
		epoch := v.nodes[leaves].core.life.epoch
		if seed%3 == 0 { // told before: it serves until others lead
			v.step(leaves, Event{Kind: EvLeave})
			v.run(1500)
			if n := v.nodes[leaves]; !n.core.life.gone || n.core.stop != serving || n.stopped != "" {
				t.Fatalf("seed %d: after leaving: gone %t, stopped %q", seed, n.core.life.gone, n.stopped)
			}
		}
		v.step(leaves, Event{Kind: EvStop})
		for k := 0; v.nodes[leaves].stopped == "" && k < 100; k++ {
			v.run(20)
			v.sound(rest, terms)
		}
		if v.nodes[leaves].stopped != "true" {
			t.Fatalf("seed %d: stopped: %q", seed, v.nodes[leaves].stopped)
		}
		v.run(3000) // the last batch of a controller that leaves is known to be committed when the next one leads
		leads := v.sound(rest, terms)
		if b, _ := v.nodes[rest].core.meta.committed.Broker(record.NodeID(leaves)); !b.Fenced || !b.InControlledShutdown || leads[record.NodeID(leaves)] != 0 || leads[record.NoNode] != 0 {
			t.Fatalf("seed %d: it is %+v; leaders %v", seed, b, leads)
		}
		v.kill(leaves)
		v.start(leaves)
		if n := v.nodes[leaves].core; n.cleanEpoch() != epoch {
			t.Fatalf("seed %d: it left in epoch %d, and says %d", seed, epoch, n.cleanEpoch())
		}
		v.allReady()
		v.agree()
	}
}

// TestAskedAnywhere: producer ids of different brokers differ, and a topic that a client only names is made whomever it asks.
func TestAskedAnywhere(t *testing.T) {
	v := newVoters(t, 1)
	v.allReady()
	seen := map[int64]int{}
	for i := range v.nodes {
		for range 3 {
			v.ask(i, kmsg.NewPtrInitProducerIDRequest(), func(r *Reply) {
				resp := r.Body.(*kmsg.InitProducerIDResponse)
				if other, ok := seen[resp.ProducerID]; resp.ErrorCode != 0 || ok {
					t.Errorf("node %d gives %d (error %d), as node %d did", i, resp.ProducerID, resp.ErrorCode, other)
				}
				seen[resp.ProducerID] = i
			})
		}
		name := fmt.Sprint("auto", i)
		req := kmsg.NewPtrMetadataRequest()
		req.Version, req.AllowAutoTopicCreation = 9, true
		req.Topics = []kmsg.MetadataRequestTopic{{Topic: &name}}
		code := int16(-2)
		v.ask(i, req, func(r *Reply) { code = r.Body.(*kmsg.MetadataResponse).Topics[0].ErrorCode })
		v.run(500)
		if code != 0 {
			t.Errorf("node %d: topic %s: error %d", i, name, code)
		}
	}
	if len(seen) != 9 {
		t.Errorf("%d producer ids of 9", len(seen))
	}
}

// TestSupplanted: a broker of whose number another incarnation is registered ends; one that was unregistered registers again.
func TestSupplanted(t *testing.T) {
	v := newVoters(t, 1)
	v.allReady()
	control := v.controller()
	gone := v.other(control)
	terms := map[string][2]int32{}
	v.mustCreate(control, "a", 30)
	v.sound(control, terms)
	epoch := v.nodes[gone].core.life.epoch
	req := kmsg.NewPtrUnregisterBrokerRequest()
	req.BrokerID = int32(gone)
	code := int16(-2)
	v.ask(v.other(control, gone), req, func(r *Reply) { code = r.Body.(*kmsg.UnregisterBrokerResponse).ErrorCode })
	v.run(1000)
	v.sound(control, terms)
	if b, ok := v.nodes[control].core.meta.committed.Broker(record.NodeID(gone)); code != 0 || !ok || b.Fenced || b.Epoch <= epoch || v.nodes[gone].core.life.epoch != b.Epoch {
		t.Fatalf("error %d; it had epoch %d, and is registered: %t, %+v", code, epoch, ok, b)
	}

	v.nodes[gone].refuse = true
	other := v.nodes[gone].core.brokerRegistration().(*kmsg.BrokerRegistrationRequest)
	other.IncarnationID = record.UUID{9}
	answer := func() int16 {
		v.ask(control, other, func(r *Reply) { code = r.Body.(*kmsg.BrokerRegistrationResponse).ErrorCode })
		v.run(200)
		return code
	}
	if got := errcode.Code(answer()); got != errcode.DuplicateBrokerRegistration {
		t.Fatalf("while it lives another one is answered %v", got)
	}
	for i := range v.nodes { // it is not heard of any more
		v.apart[NodePair{gone, i}] = i != gone
	}
	v.run(v.nodes[control].core.cfg.Replication.SessionMs + 500)
	if got := errcode.Code(answer()); got != errcode.None {
		t.Fatalf("when its session is over another one is answered %v", got)
	}
	clear(v.apart)
	v.run(3000)
	if want := fmt.Sprintf("another process registered as broker %d", gone); v.nodes[gone].halted != want {
		t.Fatalf("it ends with %q", v.nodes[gone].halted)
	}
}

// TestDirectoriesAreTold: a broker says in which directory it has made a partition (KIP-858), and one that loses a directory leads nothing in it.
func TestDirectoriesAreTold(t *testing.T) {
	v := newVoters(t, 3)
	for i := range v.nodes {
		v.kill(i)
		v.nodes[i].dirs = 2
		v.nodes[i].log, v.nodes[i].synced, v.nodes[i].state, v.nodes[i].exists = nil, 0, nil, false
	}
	for i := range v.nodes {
		v.start(i)
	}
	v.allReady()
	v.mustCreate(v.controller(), "a", 30)
	v.run(1000)
	v.agree()
	img := v.nodes[0].core.meta.committed
	a, _ := img.Topic("a")
	for i, p := range a.Partitions {
		for k, dir := range p.Directories {
			if b, _ := img.Broker(p.Replicas[k]); dir == image.DirUnassigned || !slices.Contains(b.LogDirs, dir) {
				t.Fatalf("partition %d: %d keeps it in %s, and has %v", i, p.Replicas[k], dir, b.LogDirs)
			}
		}
	}
	loses := v.other(v.controller())
	v.nodes[loses].mayLose = true
	v.step(loses, Event{Kind: EvIOFailed, Dir: 1, Reason: "gone"})
	v.run(1000)
	v.agree()
	img = v.nodes[0].core.meta.committed
	a, _ = img.Topic("a")
	b, _ := img.Broker(record.NodeID(loses))
	if len(b.LogDirs) != 1 || b.Fenced {
		t.Fatalf("it has directories %v", b.LogDirs)
	}
	left := 0
	for i, p := range a.Partitions {
		lost := p.DirectoryOf(b.ID) != b.LogDirs[0]
		if p.Leader == record.NoNode || lost && (p.Leader == b.ID || slices.Contains(p.Isr, b.ID)) || !lost && !slices.Contains(p.Isr, b.ID) {
			t.Fatalf("partition %d: leader %d, ISR %v, lost %t", i, p.Leader, p.Isr, lost)
		}
		if lost {
			left++
		}
	}
	if left == 0 {
		t.Fatal("nothing lay in the lost directory")
	}
}
