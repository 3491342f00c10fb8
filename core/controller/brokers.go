package controller

import (
	"slices"

	"odradek/core/image"
	"odradek/core/record"
)

// MetadataVersion is the finalized metadata.version of a new cluster: Kafka 4.2's 29 (4.2-IV1).
const MetadataVersion = 29

// ProducerIDBlock is how many producer ids a broker gets at a time (Kafka's ProducerIdsBlock).
const ProducerIDBlock = 1000

// Bootstrap returns what the first leader of an empty metadata log writes, in one metadata transaction (RECORDS §3). Only metadata.version is
// finalized: every other feature waits until what it turns on exists.
func Bootstrap() []image.Record {
	name := "Bootstrap records"
	return []image.Record{
		&image.BeginTransactionRecord{Name: &name},
		&image.FeatureLevelRecord{Name: "metadata.version", Level: MetadataVersion},
		&image.EndTransactionRecord{},
	}
}

// Abort returns the record that ends the open transaction of an earlier leader.
func Abort() image.Record {
	reason := "Controller failover"
	return &image.AbortTransactionRecord{Reason: &reason}
}

// Broker is one that registers.
type Broker struct {
	ID          record.NodeID
	Incarnation record.UUID
	Epoch       int64 // the controller's next write offset
	Endpoints   []image.Endpoint
	LogDirs     []record.UUID
}

// Register returns the records of a new incarnation: its registration, fenced, and in the same batch a new leader epoch for every partition it leads, so
// that it never leads in an epoch it led before (DESIGN §4). What lies in a directory that it does not have has no leader; what had none for that reason
// has one again.
func Register(img *image.Image, b Broker) []image.Record {
	features := []image.FeatureRange{{Name: "metadata.version", Min: 7, Max: MetadataVersion}}
	records := []image.Record{
		&image.RegisterControllerRecord{ControllerID: b.ID, IncarnationID: b.Incarnation, Features: features},
		&image.RegisterBrokerRecord{BrokerID: b.ID, IncarnationID: b.Incarnation, BrokerEpoch: b.Epoch, EndPoints: b.Endpoints,
			Features: features, Fenced: true, LogDirs: b.LogDirs},
	}
	for t := range img.Topics() {
		for i := range t.Partitions {
			p := t.Partitions[i]
			online := image.DirOnline(p.DirectoryOf(b.ID), b.LogDirs)
			switch {
			case p.Leader == b.ID && !online:
				records = append(records, lead(t, i, record.NoNode))
			case p.Leader == b.ID || p.Leader == record.NoNode && online && slices.Contains(p.Isr, b.ID):
				records = append(records, lead(t, i, b.ID)) // even the same leader: the epoch rises
			}
		}
	}
	return records
}

func lead(t *image.Topic, partition int, leader record.NodeID) image.Record {
	change := image.NewPartitionChange()
	change.TopicID, change.PartitionID, change.Leader = t.ID, int32(partition), leader
	return change
}

// DirectoryFailed returns the records that follow when a broker has lost a directory: it keeps b.LogDirs, and what lay in the lost one has no leader.
func DirectoryFailed(img *image.Image, b Broker, lost record.UUID) []image.Record {
	records := []image.Record{&image.BrokerRegistrationChangeRecord{BrokerID: b.ID, BrokerEpoch: b.Epoch, LogDirs: b.LogDirs}}
	for t := range img.Topics() {
		for i := range t.Partitions {
			if p := t.Partitions[i]; p.Leader == b.ID && p.DirectoryOf(b.ID) == lost {
				records = append(records, lead(t, i, record.NoNode))
			}
		}
	}
	return records
}

// Unfence returns the record that lets a registered broker serve.
func Unfence(b Broker) image.Record {
	return &image.BrokerRegistrationChangeRecord{BrokerID: b.ID, BrokerEpoch: b.Epoch, Fenced: -1}
}

// AllocateProducerIDs returns the record that gives a broker its next block, and the block's first id.
func AllocateProducerIDs(img *image.Image, b Broker) (image.Record, record.ProducerID) {
	first := img.NextProducerID()
	return &image.ProducerIDsRecord{BrokerID: b.ID, BrokerEpoch: b.Epoch, NextProducerID: first + ProducerIDBlock}, first
}
