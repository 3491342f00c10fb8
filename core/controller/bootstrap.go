package controller

import (
	"slices"
	"strconv"

	"odradek/core/image"
)

// MetadataVersion is the metadata.version that is finalized for a new cluster: Kafka 4.2's 29 (4.2-IV1). A log that Kafka wrote keeps its own.
const MetadataVersion = 29

// Bootstrap returns what the first leader of an empty metadata log writes, in one metadata transaction where the level knows them (RECORDS §3): the records
// of bootstrap.checkpoint, if kafka-storage format left one. By itself a node finalizes metadata.version and, as kafka-storage does for it, eligible leader replicas; every other feature waits until
// what it turns on exists. Eligible leader replicas need a min.insync.replicas that is the same for all brokers.
func Bootstrap(format []image.Record, minInsync int32) []image.Record {
	records := format
	if records == nil {
		records = []image.Record{&image.FeatureLevelRecord{Name: image.MetadataVersion, Level: MetadataVersion}, &image.FeatureLevelRecord{Name: image.EligibleLeaders, Level: 1}}
	}
	var level int16
	elr := false
	for _, r := range records {
		if f, ok := r.(*image.FeatureLevelRecord); ok && f.Name == image.MetadataVersion {
			level = f.Level
		} else if ok && f.Name == image.EligibleLeaders {
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
