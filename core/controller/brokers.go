package controller

import (
	"slices"
	"strconv"

	"odradek/core/image"
	"odradek/core/record"
)

// MetadataVersion is the metadata.version that is finalized for a new cluster: Kafka 4.2's 29 (4.2-IV1). A log that Kafka wrote keeps its own.
const MetadataVersion = 29

// ProducerIDBlock is how many producer ids a broker gets at a time (Kafka's ProducerIdsBlock).
const ProducerIDBlock = 1000

// Bootstrap returns what the first leader of an empty metadata log writes, in one metadata transaction where the level knows them (RECORDS §3): the records
// of bootstrap.checkpoint, if kafka-storage format left one. By itself a node finalizes only metadata.version: every other feature waits until what it turns
// on exists. Eligible leader replicas need a min.insync.replicas that is the same for all brokers.
func Bootstrap(format []image.Record, minInsync int32) []image.Record {
	records := format
	if records == nil {
		records = []image.Record{&image.FeatureLevelRecord{Name: image.MetadataVersion, Level: MetadataVersion}}
	}
	var level int16
	elr := false
	for _, r := range records {
		if f, ok := r.(*image.FeatureLevelRecord); ok && f.Name == image.MetadataVersion {
			level = f.Level
		} else if ok && f.Name == elrFeature {
			elr = f.Level > 0
		}
	}
	if elr {
		value := strconv.Itoa(int(minInsync))
		records = append(slices.Clone(records), &image.ConfigRecord{ResourceType: image.ResourceBroker, Name: "min.insync.replicas", Value: &value})
	}
	if level < image.MetadataVersionTransaction {
		return records
	}
	name := "Bootstrap records"
	return slices.Concat([]image.Record{&image.BeginTransactionRecord{Name: &name}}, records, []image.Record{&image.EndTransactionRecord{}})
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
	Rack        string // empty: none
}

// Register returns the records of a new incarnation: its registration, fenced, and in the same batch a new leader epoch for every partition it leads, so
// that it never leads in an epoch it led before (DESIGN §4). What lies in a directory that it does not have has no leader; what had none for that reason
// has one again. What the finalized metadata.version does not know is left out, as Kafka does.
func Register(img *image.Image, b Broker) []image.Record {
	level := img.Feature(image.MetadataVersion)
	features := []image.FeatureRange{{Name: image.MetadataVersion, Min: image.MetadataVersionMin, Max: image.MetadataVersionLatest}}
	registration := &image.RegisterBrokerRecord{BrokerID: b.ID, IncarnationID: b.Incarnation, BrokerEpoch: b.Epoch, EndPoints: b.Endpoints,
		Features: features, Fenced: true}
	if b.Rack != "" {
		registration.Rack = &b.Rack
	}
	if level >= image.MetadataVersionDirectories {
		registration.LogDirs = b.LogDirs
	}
	var records []image.Record
	if level >= image.MetadataVersionControllers {
		records = append(records, &image.RegisterControllerRecord{ControllerID: b.ID, IncarnationID: b.Incarnation, Features: features})
	}
	records = append(records, registration)
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
	var records []image.Record
	if img.Feature(image.MetadataVersion) >= image.MetadataVersionDirectories {
		records = append(records, &image.BrokerRegistrationChangeRecord{BrokerID: b.ID, BrokerEpoch: b.Epoch, LogDirs: b.LogDirs})
	}
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
