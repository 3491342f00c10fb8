package controller

import (
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/errcode"
	"odradek/core/image"
	"odradek/core/record"
)

// world is an image under requests.
type world struct {
	t   *testing.T
	s   *State
	img *image.Image
}

func newWorld(t *testing.T, elr bool) *world {
	w := &world{t: t, s: state(t)}
	w.s.Self = 100
	records := []image.Record{&image.FeatureLevelRecord{Name: image.MetadataVersion, Level: MetadataVersion}}
	if elr {
		records = append(records, &image.FeatureLevelRecord{Name: image.EligibleLeaders, Level: 1})
	}
	w.img = replay(t, image.Empty(), records)
	return w
}

func (w *world) take(records []image.Record) int {
	w.t.Helper()
	w.img = replay(w.t, w.img, records)
	w.s.Next += record.Offset(len(records))
	return len(records)
}

// register registers an incarnation; previous is the epoch that it left in order with.
func (w *world) register(id record.NodeID, incarnation byte, previous int64) (int64, errcode.Code) {
	w.t.Helper()
	cfg := *w.s.Config
	cfg.NodeID = id
	records, resp := w.s.RegisterBroker(w.img, BrokerRegistration(&cfg, "c", record.UUID{byte(id), incarnation}, []record.UUID{{8, byte(id)}, {9, byte(id)}}, previous))
	if n := w.take(records); n > 0 && resp.BrokerEpoch != int64(w.s.Next)-1 {
		w.t.Fatalf("broker %d has epoch %d, and its registration is at %d", id, resp.BrokerEpoch, w.s.Next-1)
	}
	return resp.BrokerEpoch, errcode.Code(resp.ErrorCode)
}

func (w *world) heartbeat(id record.NodeID, change func(*kmsg.BrokerHeartbeatRequest)) *kmsg.BrokerHeartbeatResponse {
	w.t.Helper()
	req := kmsg.NewPtrBrokerHeartbeatRequest()
	req.Version, req.BrokerID, req.CurrentMetadataOffset = 1, int32(id), int64(w.s.Next)-1
	if b, ok := w.img.Broker(id); ok {
		req.BrokerEpoch = b.Epoch
	}
	if change != nil {
		change(req)
	}
	records, resp := w.s.Heartbeat(w.img, req)
	w.take(records)
	return resp
}

func (w *world) up(ids ...record.NodeID) {
	w.t.Helper()
	for _, id := range ids {
		if _, code := w.register(id, byte(w.s.Next), -1); code != errcode.None {
			w.t.Fatalf("broker %d: %v", id, code)
		}
		w.heartbeat(id, nil)
	}
}

func (w *world) silence(id record.NodeID) {
	w.t.Helper()
	b, _ := w.img.Broker(id)
	w.take(w.s.Fence(w.img, b))
}

func (w *world) topic(name string, change ...func(*kmsg.CreateTopicsRequestTopic)) {
	w.t.Helper()
	records, resp := w.s.CreateTopics(w.img, create(topic(name, change...)))
	if resp.Topics[0].ErrorCode != 0 {
		w.t.Fatalf("topic %s: %s", name, *resp.Topics[0].ErrorMessage)
	}
	w.take(records)
}

func on(replicas ...int32) func(*kmsg.CreateTopicsRequestTopic) {
	return func(t *kmsg.CreateTopicsRequestTopic) {
		t.ReplicaAssignment = append(t.ReplicaAssignment, kmsg.CreateTopicsRequestTopicReplicaAssignment{Partition: int32(len(t.ReplicaAssignment)), Replicas: replicas})
	}
}

func (w *world) partition(topic string) *image.Partition {
	t, _ := w.img.Topic(topic)
	return t.Partitions[0]
}

func (w *world) want(topic string, leader record.NodeID, isr, elr []record.NodeID) {
	w.t.Helper()
	if p := w.partition(topic); p.Leader != leader || !slices.Equal(p.Isr, isr) || !slices.Equal(p.Elr, elr) {
		w.t.Fatalf("%s: leader %d, ISR %v, ELR %v; want %d, %v, %v", topic, p.Leader, p.Isr, p.Elr, leader, isr, elr)
	}
}

func (w *world) alter(topic string, by record.NodeID, change func(*kmsg.AlterPartitionRequest, *kmsg.AlterPartitionRequestTopicPartition), isr ...record.NodeID) errcode.Code {
	w.t.Helper()
	t, _ := w.img.Topic(topic)
	req := kmsg.NewPtrAlterPartitionRequest()
	req.Version, req.BrokerID = 3, int32(by)
	if b, ok := w.img.Broker(by); ok {
		req.BrokerEpoch = b.Epoch
	}
	p := kmsg.NewAlterPartitionRequestTopicPartition()
	p.LeaderEpoch, p.PartitionEpoch, p.LeaderRecoveryState = int32(t.Partitions[0].LeaderEpoch), t.Partitions[0].PartitionEpoch, t.Partitions[0].RecoveryState
	for _, id := range isr {
		epoch := int64(7777)
		if b, ok := w.img.Broker(id); ok {
			epoch = b.Epoch
		}
		p.NewEpochISR = append(p.NewEpochISR, kmsg.AlterPartitionRequestTopicPartitionNewEpochISR{BrokerID: int32(id), BrokerEpoch: epoch})
	}
	out := kmsg.NewAlterPartitionRequestTopic()
	out.TopicID = t.ID
	if change != nil {
		change(req, &p)
	}
	out.Partitions = append(out.Partitions, p)
	req.Topics = append(req.Topics, out)
	records, resp := w.s.AlterPartition(w.img, req)
	w.take(records)
	if resp.ErrorCode != 0 {
		return errcode.Code(resp.ErrorCode)
	}
	told, is := resp.Topics[0].Partitions[0], w.partition(topic)
	if told.ErrorCode == 0 && (told.LeaderID != int32(is.Leader) || told.LeaderEpoch != int32(is.LeaderEpoch) || told.PartitionEpoch != is.PartitionEpoch || len(told.ISR) != len(is.Isr)) {
		w.t.Fatalf("told %+v, it is %+v", told, is)
	}
	return errcode.Code(told.ErrorCode)
}

func nodes(ids ...record.NodeID) []record.NodeID { return ids }

// TestRegistration: a broker begins fenced, an incarnation registers once, another one only when the first is gone, and nobody leads while it is fenced.
func TestRegistration(t *testing.T) {
	w := newWorld(t, false)
	epoch, _ := w.register(1, 1, -1)
	if b, _ := w.img.Broker(1); !b.Fenced {
		t.Fatal("a new registration is not fenced")
	}
	if again, code := w.register(1, 1, -1); again != epoch || code != errcode.None {
		t.Fatalf("the same incarnation again: epoch %d after %d, %v", again, epoch, code)
	}
	if _, code := w.register(1, 2, -1); code != errcode.DuplicateBrokerRegistration {
		t.Fatalf("beside one that is starting: %v", code)
	}
	w.s.Sessions.Begin(w.img, w.s.Now)
	if _, code := w.register(1, 2, -1); code != errcode.DuplicateBrokerRegistration {
		t.Fatalf("beside one that is starting, at a new controller: %v", code)
	}
	w.s.Now += w.s.sessionTime()
	if _, code := w.register(1, 2, -1); code != errcode.None {
		t.Fatalf("in place of a fenced one that is silent: %v", code)
	}
	behind := w.heartbeat(1, func(r *kmsg.BrokerHeartbeatRequest) { r.CurrentMetadataOffset = r.BrokerEpoch - 1 })
	if !behind.IsFenced || behind.IsCaughtUp {
		t.Fatalf("unfenced before it knows of its registration: %+v", behind)
	}
	wants := w.heartbeat(1, func(r *kmsg.BrokerHeartbeatRequest) { r.WantFence = true })
	if !wants.IsFenced || !wants.IsCaughtUp {
		t.Fatalf("unfenced against its will: %+v", wants)
	}
	if r := w.heartbeat(1, nil); r.IsFenced {
		t.Fatalf("%+v", r)
	}
	if _, code := w.register(1, 3, -1); code != errcode.DuplicateBrokerRegistration {
		t.Fatalf("beside a live one: %v", code)
	}
	w.topic("a", on(1))
	w.want("a", 1, nodes(1), nil)
	w.s.Now += w.s.sessionTime()
	if _, code := w.register(1, 4, -1); code != errcode.None {
		t.Fatalf("in place of a silent one: %v", code)
	}
	w.want("a", record.NoNode, nodes(1), nil)
	before := w.partition("a").LeaderEpoch
	if r := w.heartbeat(1, func(r *kmsg.BrokerHeartbeatRequest) { r.BrokerEpoch-- }); errcode.Code(r.ErrorCode) != errcode.StaleBrokerEpoch {
		t.Fatalf("an earlier incarnation's heartbeat: %+v", r)
	}
	if r := w.heartbeat(9, nil); errcode.Code(r.ErrorCode) != errcode.BrokerIDNotRegistered {
		t.Fatalf("nobody's heartbeat: %+v", r)
	}
	w.heartbeat(1, nil)
	if w.want("a", 1, nodes(1), nil); w.partition("a").LeaderEpoch <= before {
		t.Fatal("it leads in an epoch that is not new")
	}
	cfg := *w.s.Config
	if _, r := w.s.RegisterBroker(w.img, BrokerRegistration(&cfg, "another", record.UUID{}, nil, -1)); errcode.Code(r.ErrorCode) != errcode.InconsistentClusterID {
		t.Fatalf("of another cluster: %v", errcode.Code(r.ErrorCode))
	}
	w.silence(1)
	req := BrokerRegistration(&cfg, "c", record.UUID{5}, nil, -1)
	w.img = replay(t, w.img, []image.Record{&image.FeatureLevelRecord{Name: image.EligibleLeaders, Level: 1}})
	for i := range req.Features {
		older := req.Features[i]
		req.Features[i].MaxSupportedVersion = w.img.Feature(older.Name) - 1
		if _, r := w.s.RegisterBroker(w.img, req); errcode.Code(r.ErrorCode) != errcode.UnsupportedVersion {
			t.Fatalf("of a release with an older %s: %v", older.Name, errcode.Code(r.ErrorCode))
		}
		req.Features[i] = older
	}
}

// TestUncleanRestart: who was not stopped in order leaves the ISR and ELR of relaxed topics, for what was acknowledged there may be gone (KAFKA-15586); of
// durable ones it keeps what it had.
func TestUncleanRestart(t *testing.T) {
	for _, c := range []struct {
		name    string
		relaxed bool
		clean   bool
		elr     []record.NodeID
	}{
		{"durable", false, false, nodes(2, 3)}, {"durable, in order", false, true, nodes(2, 3)}, {"relaxed", true, false, nodes(3)}, {"relaxed, in order", true, true, nodes(2, 3)},
	} {
		w := newWorld(t, true)
		w.up(1, 2, 3)
		configs := []func(*kmsg.CreateTopicsRequestTopic){on(1, 2, 3), set("min.insync.replicas", "3")}
		if c.relaxed {
			configs = append(configs, set("flush.messages", "1000"))
		}
		w.topic("a", configs...)
		w.silence(2)
		w.silence(3)
		w.want("a", 1, nodes(1), nodes(2, 3))
		previous := int64(-1)
		if b, _ := w.img.Broker(2); c.clean {
			previous = b.Epoch
		}
		w.register(2, 77, previous)
		if got := w.partition("a").Elr; !slices.Equal(sorted(got), c.elr) {
			t.Errorf("%s: ELR %v, want %v", c.name, got, c.elr)
		}
	}
}

func sorted(ids []record.NodeID) []record.NodeID { return slices.Sorted(slices.Values(ids)) }

// TestLastOneComesBackWithLess: a relaxed partition's last member in sync restarts after a loss of power. Who left the ISR before it has every committed record,
// and leads; it does not (KIP-966).
func TestLastOneComesBackWithLess(t *testing.T) {
	w := newWorld(t, true)
	w.up(1, 2)
	w.topic("a", on(1, 2), set("min.insync.replicas", "2"), set("flush.messages", "1000"))
	w.silence(2)
	w.want("a", 1, nodes(1), nodes(2))
	w.silence(1)
	w.want("a", record.NoNode, nil, nodes(2, 1))
	w.register(1, 9, -1)
	w.heartbeat(1, nil)
	w.want("a", record.NoNode, nil, nodes(2))
	b, _ := w.img.Broker(2)
	w.register(2, 9, b.Epoch)
	w.heartbeat(2, nil)
	w.want("a", 2, nodes(2), nil)
}

// assign tells where a broker keeps the one partition of a topic.
func (w *world) assign(topic string, id record.NodeID, dir record.UUID) errcode.Code {
	w.t.Helper()
	t, _ := w.img.Topic(topic)
	b, _ := w.img.Broker(id)
	req := kmsg.NewPtrAssignReplicasToDirsRequest()
	req.BrokerID, req.BrokerEpoch = int32(id), b.Epoch
	at := kmsg.NewAssignReplicasToDirsRequestDirectoryTopic()
	at.TopicID, at.Partitions = t.ID, []kmsg.AssignReplicasToDirsRequestDirectoryTopicPartition{{Partition: 0}}
	req.Directories = append(req.Directories, kmsg.AssignReplicasToDirsRequestDirectory{ID: dir, Topics: []kmsg.AssignReplicasToDirsRequestDirectoryTopic{at}})
	records, resp := w.s.AssignReplicasToDirs(w.img, req)
	w.take(records)
	return errcode.Code(resp.Directories[0].Topics[0].Partitions[0].ErrorCode)
}

// TestDamagedReplica: a replica in a lost directory has not what it promised. It leaves the ELR, too, if anybody else is eligible; and if nobody is, it goes on with what is left.
func TestDamagedReplica(t *testing.T) {
	w := newWorld(t, true)
	w.up(1, 2)
	w.topic("a", on(1, 2), set("min.insync.replicas", "2"))
	w.silence(1)
	w.want("a", 2, nodes(2), nodes(1))
	if code := w.assign("a", 1, image.DirLost); code != errcode.None {
		t.Fatal(code)
	}
	w.want("a", 2, nodes(2), nil)
	if code := w.assign("a", 2, image.DirLost); code != errcode.EligibleLeadersNotAvailable {
		t.Fatalf("the last one that has everything is lost, too: %v", code)
	}
	w.want("a", 2, nodes(2), nil)
	w.silence(2)
	w.up(1)
	w.want("a", record.NoNode, nil, nodes(2))
	w.up(2)
	w.want("a", 2, nodes(2), nil)

	w = newWorld(t, false) // one that leads
	w.up(1, 2)
	w.topic("a", on(1, 2))
	if w.assign("a", 1, image.DirLost); w.partition("a").DirectoryOf(1) != image.DirLost {
		t.Fatalf("it is in %v", w.partition("a").DirectoryOf(1))
	}
	w.want("a", 2, nodes(2), nil)
}

// TestOfflineDirectoryIsNotInSync: whose replica lies in a directory that failed does not come to be in sync, whatever its leader heard of it before.
func TestOfflineDirectoryIsNotInSync(t *testing.T) {
	w := newWorld(t, true)
	w.up(1, 2)
	w.topic("a", on(1, 2), set("flush.messages", "1000"))
	w.assign("a", 2, record.UUID{9, 2})
	w.heartbeat(2, func(req *kmsg.BrokerHeartbeatRequest) { req.OfflineLogDirs = [][16]byte{{9, 2}} })
	w.want("a", 1, nodes(1), nil)
	if code := w.alter("a", 1, nil, 1, 2); code != errcode.IneligibleReplica {
		t.Fatalf("a replica in a failed directory joins the ISR: %v", code)
	}
	w.silence(2)
	w.up(2)
	if code := w.alter("a", 1, nil, 1, 2); code != errcode.None {
		t.Fatal(code)
	}
	w.want("a", 1, nodes(1, 2), nil)
}

// TestElections: leaders come from the ISR, else the ELR, else from anywhere only where that is configured or asked for.
func TestElections(t *testing.T) {
	w := newWorld(t, false)
	w.up(1, 2, 3)
	w.topic("a", on(1, 2, 3))
	w.topic("unclean", on(1, 2, 3), set("unclean.leader.election.enable", "true"))
	w.silence(2)
	w.want("a", 1, nodes(1, 3), nil)
	w.silence(3)
	w.silence(1)
	w.want("a", record.NoNode, nodes(1), nil)
	w.up(3)
	w.want("a", record.NoNode, nodes(1), nil)
	w.want("unclean", 3, nodes(3), nil)
	if p := w.partition("unclean"); p.RecoveryState != 1 {
		t.Fatal("an unclean leader is not marked as recovering")
	}
	if code := w.alter("unclean", 3, func(_ *kmsg.AlterPartitionRequest, p *kmsg.AlterPartitionRequestTopicPartition) {
		p.LeaderRecoveryState = 0
	}, 3); code != errcode.None || w.partition("unclean").RecoveryState != 0 {
		t.Fatalf("recovered: %v", code)
	}
	elect := func(kind int8, topic string) errcode.Code {
		req := kmsg.NewPtrElectLeadersRequest()
		req.Version, req.ElectionType = 2, kind
		req.Topics = []kmsg.ElectLeadersRequestTopic{{Topic: topic, Partitions: []int32{0}}}
		records, resp := w.s.ElectLeaders(w.img, req)
		w.take(records)
		p := resp.Topics[0].Partitions[0]
		if text := p.ErrorMessage; (p.ErrorCode != 0) != (text != nil) || text != nil && !strings.HasSuffix(*text, ".") {
			t.Fatalf("%v is told without Kafka's sentence", errcode.Code(p.ErrorCode))
		}
		return errcode.Code(p.ErrorCode)
	}
	if code := elect(0, "a"); code != errcode.PreferredLeaderNotAvailable {
		t.Fatalf("a preferred leader that is down: %v", code)
	}
	if code := elect(1, "a"); code != errcode.None {
		t.Fatalf("unclean: %v", code)
	}
	w.want("a", 3, nodes(3), nil)
	if code := elect(1, "a"); code != errcode.ElectionNotNeeded {
		t.Fatalf("unclean again: %v", code)
	}
	w.up(1)
	w.alter("a", 3, func(_ *kmsg.AlterPartitionRequest, p *kmsg.AlterPartitionRequestTopicPartition) {
		p.LeaderRecoveryState = 0
	}, 3)
	if code := w.alter("a", 3, nil, 3, 1); code != errcode.None {
		t.Fatal(code)
	}
	if records, more := w.s.Rebalance(w.img); len(records) != 1 || more {
		t.Fatalf("to give back: %d", len(records))
	}
	if code := elect(0, "a"); code != errcode.None {
		t.Fatalf("preferred: %v", code)
	}
	w.want("a", 1, nodes(3, 1), nil)
	if code := elect(0, "a"); code != errcode.ElectionNotNeeded {
		t.Fatalf("preferred again: %v", code)
	}
}

// TestAlterPartition: each check, in the order of Kafka's controller.
func TestAlterPartition(t *testing.T) {
	type req = kmsg.AlterPartitionRequest
	type part = kmsg.AlterPartitionRequestTopicPartition
	for _, c := range []struct {
		name   string
		by     record.NodeID
		isr    []record.NodeID
		change func(*req, *part)
		want   errcode.Code
	}{
		{"an earlier incarnation", 1, nodes(1), func(r *req, _ *part) { r.BrokerEpoch-- }, errcode.StaleBrokerEpoch},
		{"no such partition", 1, nodes(1), func(_ *req, p *part) { p.Partition = 1 }, errcode.UnknownTopicOrPartition},
		{"the leader knows more", 1, nodes(1), func(_ *req, p *part) { p.LeaderEpoch++ }, errcode.NotController},
		{"the leader knows more of the partition", 1, nodes(1), func(_ *req, p *part) { p.PartitionEpoch++ }, errcode.NotController},
		{"an earlier leader", 1, nodes(1), func(_ *req, p *part) { p.LeaderEpoch-- }, errcode.FencedLeaderEpoch},
		{"not the leader", 2, nodes(2), nil, errcode.InvalidRequest},
		{"an earlier state", 1, nodes(1), func(_ *req, p *part) { p.PartitionEpoch-- }, errcode.InvalidUpdateVersion},
		{"without itself", 1, nodes(2), nil, errcode.InvalidRequest},
		{"nobody", 1, nil, nil, errcode.InvalidRequest},
		{"twice", 1, nodes(1, 2, 2), nil, errcode.InvalidRequest},
		{"no replica", 1, nodes(1, 4), nil, errcode.InvalidRequest},
		{"recovering", 1, nodes(1), func(_ *req, p *part) { p.LeaderRecoveryState = 1 }, errcode.InvalidRequest},
		{"fenced", 1, nodes(1, 3), nil, errcode.IneligibleReplica},
		{"an earlier incarnation caught up", 1, nodes(1, 2), func(_ *req, p *part) { p.NewEpochISR[1].BrokerEpoch-- }, errcode.IneligibleReplica},
		{"of no known epoch", 1, nodes(1, 2), func(_ *req, p *part) { p.NewEpochISR[1].BrokerEpoch = -1 }, errcode.None},
		{"right", 1, nodes(1, 2), nil, errcode.None},
		{"shrinks", 1, nodes(1), nil, errcode.None},
	} {
		w := newWorld(t, false)
		w.up(1, 2, 3, 4)
		w.topic("a", on(1, 2, 3))
		w.silence(3)
		w.silence(1)
		w.up(1) // so that the epochs are above 0
		w.want("a", 2, nodes(2), nil)
		w.alter("a", 2, nil, 2, 1)
		b, _ := w.img.Broker(2)
		w.heartbeat(2, func(r *kmsg.BrokerHeartbeatRequest) { r.WantFence = true })
		w.want("a", 1, nodes(1), nil)
		w.heartbeat(2, func(r *kmsg.BrokerHeartbeatRequest) { r.BrokerEpoch = b.Epoch })
		if code := w.alter("a", c.by, c.change, c.isr...); code != c.want {
			t.Errorf("%s: %v, want %v", c.name, code, c.want)
		} else if isr := w.partition("a").Isr; code == errcode.None && !slices.Equal(isr, c.isr) || code != errcode.None && !slices.Equal(isr, nodes(1)) {
			t.Errorf("%s: the ISR is %v", c.name, isr)
		}
	}
}

// TestLeavesInOrder: a broker that shuts down leads nothing any more, goes when the others know, and is in nobody's ISR until it comes back.
func TestLeavesInOrder(t *testing.T) {
	w := newWorld(t, false)
	w.up(1, 2)
	w.topic("a", on(1, 2))
	w.topic("alone", on(1))
	leave := func() *kmsg.BrokerHeartbeatResponse {
		return w.heartbeat(1, func(r *kmsg.BrokerHeartbeatRequest) { r.WantShutdown = true })
	}
	if r := leave(); r.ShouldShutdown || r.IsFenced {
		t.Fatalf("at once: %+v", r)
	}
	w.want("a", 2, nodes(2), nil)
	w.want("alone", record.NoNode, nodes(1), nil)
	if r := leave(); r.ShouldShutdown {
		t.Fatal("before the new leader knows")
	}
	if code := w.alter("a", 2, nil, 2, 1); code != errcode.IneligibleReplica {
		t.Fatalf("it is taken back into an ISR: %v", code)
	}
	w.heartbeat(2, nil)
	r := leave()
	if b, _ := w.img.Broker(1); !r.ShouldShutdown || !b.Fenced {
		t.Fatalf("when the new leader knows: %+v, %+v", r, b)
	}
	if w.topic("b", func(t *kmsg.CreateTopicsRequestTopic) { t.NumPartitions = 1 }); w.partition("b").Leader != 2 {
		t.Fatal("a new partition is given to who left")
	}
	leave() // the answer was lost: it asks again, and may come back at once all the same
	w.up(1)
	w.want("alone", 1, nodes(1), nil)
	w.want("a", 2, nodes(2), nil)
}

// TestPlacement: racks in turn, brokers in turn, unfenced ones first; what Kafka says where it does not fit.
func TestPlacement(t *testing.T) {
	w := newWorld(t, false)
	for id := range record.NodeID(6) {
		cfg := *w.s.Config
		cfg.NodeID, cfg.Rack = id, string(rune('a'+id%3))
		records, _ := w.s.RegisterBroker(w.img, BrokerRegistration(&cfg, "c", record.UUID{byte(id), 1}, []record.UUID{{8, byte(id)}}, -1))
		w.take(records)
	}
	number := func(partitions int32, factor int16) func(*kmsg.CreateTopicsRequestTopic) {
		return func(t *kmsg.CreateTopicsRequestTopic) { t.NumPartitions, t.ReplicationFactor = partitions, factor }
	}
	refused := func(want string, change ...func(*kmsg.CreateTopicsRequestTopic)) {
		t.Helper()
		if _, r := w.s.CreateTopics(w.img, create(topic("x", change...))); r.Topics[0].ErrorCode == 0 || *r.Topics[0].ErrorMessage != want {
			t.Errorf("%v %q, want %q", errcode.Code(r.Topics[0].ErrorCode), *r.Topics[0].ErrorMessage, want)
		}
	}
	refused("Unable to replicate the partition 2 time(s): All brokers are currently fenced.", number(1, 2))
	refused("All brokers specified in the manual partition assignment for partition 0 are fenced or in controlled shutdown.", on(1, 2))
	for id := range record.NodeID(5) {
		w.heartbeat(id, nil)
	}
	refused("Unable to replicate the partition 7 time(s): The target replication factor of 7 cannot be reached because only 6 broker(s) are registered.", number(1, 7))
	refused("The manual partition assignment includes a partition with 1 replica(s), but this is not consistent with previous partitions, which have 2 replica(s).", on(1, 2), on(1))
	w.topic("a", number(300, 3))
	a, _ := w.img.Topic("a")
	leads := map[record.NodeID]int{}
	for i, p := range a.Partitions {
		racks := map[record.NodeID]bool{}
		for _, id := range p.Replicas {
			racks[id%3] = true
		}
		leads[p.Leader]++
		if len(racks) != 3 || p.Leader != p.Replicas[0] || slices.Contains(p.Isr, 5) || len(p.Directories) != 3 || p.Directories[0] != (record.UUID{8, byte(p.Replicas[0])}) {
			t.Fatalf("partition %d: %+v", i, p)
		}
	}
	for id := range record.NodeID(5) {
		if leads[id] < 40 || leads[5] > 0 {
			t.Fatalf("leaders %v", leads)
		}
	}
	w.topic("b", number(1, 6))
	if p := w.partition("b"); len(p.Replicas) != 6 || len(p.Isr) != 5 {
		t.Fatalf("with a fenced one: %+v", p)
	}
	more, r := w.s.CreatePartitions(w.img, grow("b", 3))
	if w.take(more); r.Topics[0].ErrorCode != 0 || len(more) != 2 || len(more[0].(*image.PartitionRecord).Replicas) != 6 {
		t.Fatalf("more partitions: %+v", r.Topics[0])
	}
}

// TestUncleanLeaderStandsAlone: who is elected though it may lack records leaves nobody eligible behind: what they have more is not the log any more.
func TestUncleanLeaderStandsAlone(t *testing.T) {
	w := newWorld(t, true)
	w.up(1, 2, 3, 4)
	w.topic("a", on(1, 2, 3, 4), set("min.insync.replicas", "2"), set("unclean.leader.election.enable", "true"))
	for _, id := range nodes(4, 3, 2) {
		w.silence(id)
	}
	w.want("a", 1, nodes(1), nodes(2))
	w.silence(1)
	w.want("a", record.NoNode, nil, nodes(2, 1))
	w.up(4)
	w.want("a", 4, nodes(4), nil)
}

// TestElrOfAnotherMinimum: with fewer members that must be in sync, records are committed that nobody in the ELR has: it is emptied with the config.
func TestElrOfAnotherMinimum(t *testing.T) {
	w := newWorld(t, true)
	w.up(1, 2, 3)
	w.topic("a", on(1, 2, 3), set("min.insync.replicas", "3"))
	w.silence(2)
	w.silence(3)
	for _, c := range []struct {
		value string
		elr   []record.NodeID
	}{{"2", nodes(2, 3)}, {"1", nil}} {
		req := kmsg.NewPtrIncrementalAlterConfigsRequest()
		req.Resources = []kmsg.IncrementalAlterConfigsRequestResource{{ResourceType: kmsg.ConfigResourceTypeTopic, ResourceName: "a",
			Configs: []kmsg.IncrementalAlterConfigsRequestResourceConfig{{Name: "min.insync.replicas", Value: &c.value}}}}
		records, resp := w.s.IncrementalAlterConfigs(w.img, req)
		if w.take(records); resp.Resources[0].ErrorCode != 0 {
			t.Fatal(*resp.Resources[0].ErrorMessage)
		}
		w.want("a", 1, nodes(1), c.elr)
	}
}

// TestSameISRAgain: a proposal of the ISR that there is changes the partition epoch and nothing else: an earlier one that is still on its way can then not be committed.
func TestSameISRAgain(t *testing.T) {
	w := newWorld(t, false)
	for id := range record.NodeID(3) {
		w.register(id+1, byte(id+1), -1)
		w.heartbeat(id+1, nil)
	}
	w.topic("a", on(1, 2, 3))
	before := *w.partition("a")
	if code := w.alter("a", 1, nil, 1, 2, 3); code != errcode.None {
		t.Fatal(code)
	}
	w.want("a", 1, nodes(1, 2, 3), nil)
	if p := w.partition("a"); p.PartitionEpoch != before.PartitionEpoch+1 || p.LeaderEpoch != before.LeaderEpoch {
		t.Fatalf("it was %+v and is %+v", before, *p)
	}
	late := func(_ *kmsg.AlterPartitionRequest, p *kmsg.AlterPartitionRequestTopicPartition) {
		p.PartitionEpoch = before.PartitionEpoch
	}
	if code := w.alter("a", 1, late, 1, 2); code != errcode.InvalidUpdateVersion {
		t.Fatalf("the earlier one: %v", code)
	}
}

// TestHarden: a topic that becomes durable gets a new leader epoch in the same batch, where it has several replicas; one that becomes relaxed, or was durable, does not. Where a
// broker's default changes all topics without an own value get one.
func TestHarden(t *testing.T) {
	w := newWorld(t, false)
	for id := range record.NodeID(2) {
		w.register(id+1, byte(id+1), -1)
		w.heartbeat(id+1, nil)
	}
	w.topic("two", on(1, 2))
	w.topic("one", on(1))
	w.topic("plain", on(2, 1))
	set := func(kind kmsg.ConfigResourceType, name, key, value string) {
		req := kmsg.NewPtrIncrementalAlterConfigsRequest()
		r := kmsg.NewIncrementalAlterConfigsRequestResource()
		r.ResourceType, r.ResourceName = kind, name
		r.Configs = append(r.Configs, step(key, set1, value))
		req.Resources = append(req.Resources, r)
		records, _ := w.s.IncrementalAlterConfigs(w.img, req)
		w.take(records)
	}
	for i, c := range []struct {
		topic, value string // without a topic: the default of broker 1
		rise         map[string]int
	}{
		{"two", "1", nil}, {"two", "1000", nil}, {"two", "1", map[string]int{"two": 1}}, {"one", "1000", nil}, {"one", "1", nil}, {"two", "5", nil}, {"two", "7", nil},
		{"two", "1", map[string]int{"two": 1}}, {"", "7", map[string]int{"plain": 1}}, {"", "1", map[string]int{"plain": 1}},
	} {
		before := map[string]image.Partition{}
		for _, name := range []string{"one", "two", "plain"} {
			before[name] = *w.partition(name)
		}
		if c.topic == "" {
			set(kmsg.ConfigResourceTypeBroker, "1", "log.flush.interval.messages", c.value)
		} else {
			set(kmsg.ConfigResourceTypeTopic, c.topic, "flush.messages", c.value)
		}
		for _, name := range []string{"one", "two", "plain"} {
			if is, was := w.partition(name), before[name]; int(is.LeaderEpoch-was.LeaderEpoch) != c.rise[name] || is.Leader != was.Leader {
				t.Errorf("%d: %q to %s: %s has leader epoch %d after %d, leader %d after %d", i, c.topic, c.value, name, is.LeaderEpoch, was.LeaderEpoch, is.Leader, was.Leader)
			}
		}
	}
}
