package controller

import (
	"odradek/core/image"
	"odradek/core/record"
)

// MetadataVersion is the metadata.version that is finalized for a new cluster: Kafka 4.2's 29 (4.2-IV1). A log that Kafka wrote keeps its own.
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
// that it never leads in an epoch it led before (DESIGN §4). What the finalized metadata.version does not know is left out, as Kafka does.
func Register(img *image.Image, b Broker) []image.Record {
	level := img.Feature(image.MetadataVersion)
	features := []image.FeatureRange{{Name: image.MetadataVersion, Min: image.MetadataVersionMin, Max: image.MetadataVersionLatest}}
	registration := &image.RegisterBrokerRecord{BrokerID: b.ID, IncarnationID: b.Incarnation, BrokerEpoch: b.Epoch, EndPoints: b.Endpoints,
		Features: features, Fenced: true}
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
			if t.Partitions[i].Leader == b.ID {
				change := image.NewPartitionChange()
				change.TopicID, change.PartitionID = t.ID, int32(i)
				change.Leader = b.ID // even the same leader: the epoch rises
				records = append(records, change)
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
