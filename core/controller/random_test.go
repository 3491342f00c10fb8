package controller

import (
	"fmt"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"odradek/core/image"
	"odradek/core/prng"
	"odradek/core/record"
)

// sound checks what holds of every image that the controller makes: who leads takes part and is in sync, the ISR is some of the replicas, the ELR others of them,
// no epoch falls, and each change of a leader is one of the partition, too.
func sound(before, after *image.Image) error {
	for t := range after.Topics() {
		old, was := before.TopicByID(t.ID)
		for i, p := range t.Partitions {
			problem := func(text string) error { return fmt.Errorf("%s-%d: %s: %+v", t.Name, i, text, p) }
			if b, ok := after.Broker(p.Leader); p.Leader != record.NoNode && (!ok || !active(b) || !image.DirOnline(p.DirectoryOf(p.Leader), b.LogDirs)) {
				return problem("the leader does not take part")
			}
			if p.Leader != record.NoNode && !slices.Contains(p.Isr, p.Leader) {
				return problem("the leader is not in sync")
			}
			for k, id := range slices.Concat(p.Isr, p.Elr) {
				if !slices.Contains(p.Replicas, id) || slices.Contains(slices.Concat(p.Isr, p.Elr)[:k], id) {
					return problem("ISR and ELR")
				}
			}
			if len(p.Isr)+len(p.Elr)+len(p.LastKnownElr) == 0 {
				return problem("nobody is known who has the records")
			}
			if was && i < len(old.Partitions) {
				if o := old.Partitions[i]; p.LeaderEpoch < o.LeaderEpoch || p.PartitionEpoch < o.PartitionEpoch ||
					int32(p.LeaderEpoch-o.LeaderEpoch) > p.PartitionEpoch-o.PartitionEpoch || p.Leader != o.Leader && p.LeaderEpoch == o.LeaderEpoch {
					return problem(fmt.Sprintf("follows upon %+v", o))
				}
			}
		}
	}
	return nil
}

// TestImagesStaySound: whatever brokers and clients ask, in whatever order, after every record: a controller may die between two batches of what it decides.
func TestImagesStaySound(t *testing.T) {
	for _, elr := range []bool{false, true} {
		rapid.Check(t, func(r *rapid.T) {
			w := newWorld(t, elr)
			random := prng.FromNumber(rapid.Uint64().Draw(r, "seed"), 1)
			w.s.Random = &random
			brokers := rapid.IntRange(1, 5).Draw(r, "brokers")
			for step := range rapid.IntRange(5, 60).Draw(r, "steps") {
				id := record.NodeID(rapid.IntRange(0, brokers-1).Draw(r, "broker"))
				what, records := w.something(r, id, step)
				for i := range records {
					before := w.img
					w.take(records[i : i+1])
					if err := sound(before, w.img); err != nil && records[i].Type() != image.TypeTopic && records[i].Type() != image.TypeConfig {
						r.Fatalf("%s of broker %d, record %d of %d: %v", what, id, i, len(records), err)
					}
				}
			}
			for _, c := range w.s.Elect(w.img) {
				before := w.img
				w.take([]image.Record{c})
				if err := sound(before, w.img); err != nil {
					r.Fatalf("by the next controller: %v", err)
				}
			}
		})
	}
}

// something is one request, drawn, and the records that it makes.
func (w *world) something(r *rapid.T, id record.NodeID, step int) (what string, records []image.Record) {
	b, known := w.img.Broker(id)
	what = rapid.SampledFrom([]string{"registration", "heartbeat", "heartbeat", "heartbeat", "fence", "isr", "isr", "topic", "elect", "rebalance", "leave", "directory", "assign"}).Draw(r, "what")
	beat := kmsg.NewPtrBrokerHeartbeatRequest()
	if beat.Version, beat.BrokerID, beat.CurrentMetadataOffset = 1, int32(id), int64(w.s.Next); known {
		beat.BrokerEpoch = b.Epoch
	}
	switch what {
	case "registration":
		w.s.Now += rapid.SampledFrom([]int64{0, w.s.sessionTime()}).Draw(r, "later")
		cfg := *w.s.Config
		cfg.NodeID = id
		previous := int64(-1)
		if known && rapid.Bool().Draw(r, "clean") {
			previous = b.Epoch
		}
		records, _ = w.s.RegisterBroker(w.img, BrokerRegistration(&cfg, "c", record.UUID{byte(id), byte(step + 1)}, []record.UUID{{8, byte(id)}, {9, byte(id)}}, previous))
	case "fence":
		if known && !b.Fenced {
			records = w.s.Fence(w.img, b)
		}
	case "topic":
		req := topic(fmt.Sprint("t", step), func(t *kmsg.CreateTopicsRequestTopic) {
			t.NumPartitions, t.ReplicationFactor = 2, rapid.Int16Range(1, 3).Draw(r, "factor")
		}, set("min.insync.replicas", fmt.Sprint(rapid.IntRange(1, 3).Draw(r, "min"))), set("flush.messages", rapid.SampledFrom([]string{"1", "100"}).Draw(r, "mode")),
			set("unclean.leader.election.enable", rapid.SampledFrom([]string{"true", "false"}).Draw(r, "unclean")))
		records, _ = w.s.CreateTopics(w.img, create(req))
	case "isr":
		records = w.drawIsr(r, id)
	case "elect":
		req := kmsg.NewPtrElectLeadersRequest()
		req.Version, req.ElectionType = 2, rapid.Int8Range(0, 1).Draw(r, "kind")
		records, _ = w.s.ElectLeaders(w.img, req)
	case "rebalance":
		records, _ = w.s.Rebalance(w.img)
	case "assign":
		req := kmsg.NewPtrAssignReplicasToDirsRequest()
		req.BrokerID, req.BrokerEpoch = beat.BrokerID, beat.BrokerEpoch
		dir := kmsg.NewAssignReplicasToDirsRequestDirectory()
		dir.ID = [16]byte{rapid.SampledFrom([]byte{8, 9, 7}).Draw(r, "dir"), byte(id)}
		for t := range w.img.Topics() {
			topic := kmsg.NewAssignReplicasToDirsRequestDirectoryTopic()
			topic.TopicID, topic.Partitions = t.ID, []kmsg.AssignReplicasToDirsRequestDirectoryTopicPartition{{Partition: 0}}
			dir.Topics = append(dir.Topics, topic)
		}
		req.Directories = append(req.Directories, dir)
		records, _ = w.s.AssignReplicasToDirs(w.img, req)
	default:
		beat.WantFence = what == "heartbeat" && rapid.IntRange(0, 9).Draw(r, "fence") == 0
		beat.WantShutdown = what == "leave"
		if what == "directory" {
			beat.OfflineLogDirs = [][16]byte{{9, byte(id)}}
		}
		records, _ = w.s.Heartbeat(w.img, beat)
	}
	return what, records
}

// drawIsr has a broker propose an ISR for something that it leads.
func (w *world) drawIsr(r *rapid.T, id record.NodeID) []image.Record {
	b, _ := w.img.Broker(id)
	for t := range w.img.Topics() {
		for i, p := range t.Partitions {
			if p.Leader != id || rapid.Bool().Draw(r, "not this one") {
				continue
			}
			req := kmsg.NewPtrAlterPartitionRequest()
			req.Version, req.BrokerID, req.BrokerEpoch = 3, int32(id), b.Epoch
			out, asked := kmsg.NewAlterPartitionRequestTopic(), kmsg.NewAlterPartitionRequestTopicPartition()
			asked.Partition, asked.LeaderEpoch, asked.PartitionEpoch = int32(i), int32(p.LeaderEpoch), p.PartitionEpoch
			for _, member := range p.Replicas {
				other, ok := w.img.Broker(member)
				if ok && (member == id || p.RecoveryState == 0 && rapid.Bool().Draw(r, "in sync")) {
					asked.NewEpochISR = append(asked.NewEpochISR, kmsg.AlterPartitionRequestTopicPartitionNewEpochISR{BrokerID: int32(member), BrokerEpoch: other.Epoch})
				}
			}
			out.TopicID, out.Partitions = t.ID, append(out.Partitions, asked)
			req.Topics = append(req.Topics, out)
			records, _ := w.s.AlterPartition(w.img, req)
			return records
		}
	}
	return nil
}
