package controller

import (
	"reflect"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/image"
	"odradek/core/record"
)

// TestElect: what Kafka's PartitionChangeBuilder writes for partitions without a leader when a broker is unfenced.
func TestElect(t *testing.T) {
	nodes := func(ids ...record.NodeID) []record.NodeID { return append([]record.NodeID{}, ids...) } // never nil
	here, away := record.UUID{8}, record.UUID{9}
	change := func(leader record.NodeID, isr, elr, last []record.NodeID, recovery int8) *image.PartitionChangeRecord {
		return &image.PartitionChangeRecord{TopicID: record.UUID{5}, Leader: leader, Isr: isr, Elr: elr, LastKnownElr: last, RecoveryState: recovery}
	}
	for _, c := range []struct {
		name string
		off  bool // eligible leader replicas are not on
		p    image.PartitionRecord
		want *image.PartitionChangeRecord
	}{
		{"it has a leader", false, image.PartitionRecord{Leader: 1, Isr: nodes(1)}, nil},
		{"in the ISR", false, image.PartitionRecord{Leader: -1, Isr: nodes(1)}, change(1, nil, nil, nil, image.RecoverySame)},
		{"in the ISR, feature off", true, image.PartitionRecord{Leader: -1, Isr: nodes(1)}, change(1, nil, nil, nil, image.RecoverySame)},
		{"in the ELR", false, image.PartitionRecord{Leader: -1, Elr: nodes(1)}, change(1, nodes(1), nodes(), nil, image.RecoverySame)},
		{"in the ELR with others: as many in sync as must be, so they are behind now", false, image.PartitionRecord{Leader: -1, Elr: nodes(2, 1), LastKnownElr: nodes(2)},
			change(1, nodes(1), nodes(), nodes(), image.RecoverySame)},
		{"in the ELR, feature off", true, image.PartitionRecord{Leader: -1, Elr: nodes(1)}, nil},
		{"the ISR is another's", false, image.PartitionRecord{Leader: -1, Isr: nodes(2), Elr: nodes(1)}, nil},
		{"last known leader", false, image.PartitionRecord{Leader: -1, LastKnownElr: nodes(1)}, change(1, nodes(1), nil, nodes(), 1)},
		{"last known leader, recovering already", false, image.PartitionRecord{Leader: -1, LastKnownElr: nodes(1), RecoveryState: 1},
			change(1, nodes(1), nil, nodes(), image.RecoverySame)},
		{"last known leader, feature off", true, image.PartitionRecord{Leader: -1, LastKnownElr: nodes(1)}, nil},
		{"two were known last", false, image.PartitionRecord{Leader: -1, LastKnownElr: nodes(1, 2)}, nil},
		{"last known leader is down", false, image.PartitionRecord{Leader: -1, LastKnownElr: nodes(2)}, nil},
		{"the ELR is not empty but down", false, image.PartitionRecord{Leader: -1, Elr: nodes(2), LastKnownElr: nodes(1)}, nil},
		{"nobody is known", false, image.PartitionRecord{Leader: -1}, nil},
		{"its directory is gone", false, image.PartitionRecord{Leader: -1, Isr: nodes(1), Directories: []record.UUID{away, away}}, nil},
		{"its directory is lost", false, image.PartitionRecord{Leader: -1, Elr: nodes(1), Directories: []record.UUID{image.DirLost, here}}, nil},
	} {
		c.p.TopicID, c.p.Replicas = record.UUID{5}, nodes(1, 2)
		if c.p.Directories == nil {
			c.p.Directories = []record.UUID{here, image.DirUnassigned}
		}
		records := []image.Record{&image.FeatureLevelRecord{Name: image.MetadataVersion, Level: image.MetadataVersionLatest},
			&image.TopicRecord{Name: "t", ID: record.UUID{5}}, &c.p}
		records = append(records, &image.RegisterBrokerRecord{BrokerID: 1, LogDirs: []record.UUID{here}})
		if !c.off {
			records = append(records, &image.FeatureLevelRecord{Name: image.EligibleLeaders, Level: 1})
		}
		img := replay(t, image.Empty(), records)
		got := state(t).Elect(img)
		if c.want == nil && len(got) == 0 {
			continue
		}
		if len(got) != 1 || c.want == nil || !reflect.DeepEqual(got[0], image.Record(c.want)) {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
			continue
		}
		img = replay(t, img, got)
		if topic, _ := img.Topic("t"); topic.Partitions[0].Leader != 1 || topic.Partitions[0].LeaderEpoch != 1 {
			t.Errorf("%s: led by %d in epoch %d", c.name, topic.Partitions[0].Leader, topic.Partitions[0].LeaderEpoch)
		}
	}
}

// TestOldLevels: under a metadata.version that does not know directories or registered controllers nothing of them is written.
func TestOldLevels(t *testing.T) {
	s := state(t)
	for _, level := range []int16{image.MetadataVersionMin, image.MetadataVersionDirectories - 1, image.MetadataVersionDirectories, image.MetadataVersionLatest} {
		img := replay(t, image.Empty(), []image.Record{&image.FeatureLevelRecord{Name: image.MetadataVersion, Level: level}})
		var records []image.Record
		take := func(more []image.Record) {
			records, img = append(records, more...), replay(t, img, more)
			s.Next += record.Offset(len(more))
		}
		registered, resp := s.RegisterBroker(img, BrokerRegistration(s.Config, "c", s.Incarnation, []record.UUID{{8}}, -1))
		take(registered)
		controller, _ := s.RegisterController(img, ControllerRegistration(s.Config, s.Incarnation))
		take(controller)
		unfenced, _ := s.Heartbeat(img, &kmsg.BrokerHeartbeatRequest{BrokerID: 1, BrokerEpoch: resp.BrokerEpoch, CurrentMetadataOffset: resp.BrokerEpoch})
		take(unfenced)
		created, _ := s.CreateTopics(img, create(topic("a")))
		if take(created); len(registered) != 1 || len(unfenced) != 1 || len(created) != 4 {
			t.Errorf("metadata.version %d: %d, %d and %d records", level, len(registered), len(unfenced), len(created))
		}
		for _, r := range records {
			if _, err := image.AppendRecord(nil, r, image.VersionFor(r, level)); err != nil {
				t.Errorf("metadata.version %d: %v", level, err)
			}
			if level < image.MetadataVersionControllers && r.Type() == image.TypeRegisterController {
				t.Errorf("metadata.version %d: a controller is registered", level)
			}
		}
	}
}
