package controller

import (
	"slices"

	"odradek/core/image"
	"odradek/core/record"
)

// elrFeature turns eligible leader replicas on (KIP-966).
const elrFeature = "eligible.leader.replicas.version"

// Elect returns the records that give partitions without a leader one, now that b is unfenced: what Kafka's controller writes beside the unfence record.
// Kafka's own clean stop leaves every partition of a single broker so: without a leader, and where eligible leader replicas are on with an empty ISR and the
// broker in the ELR.
func Elect(img *image.Image, b Broker) []image.Record {
	var records []image.Record
	for t := range img.Topics() {
		for i, p := range t.Partitions {
			if p.Leader != record.NoNode {
				continue
			}
			if change := elect(img, b, p); change != nil {
				change.TopicID, change.PartitionID = t.ID, int32(i)
				records = append(records, change)
			}
		}
	}
	return records
}

// elect chooses the leader of a partition that has none: the first of its replicas that can serve and is in the ISR or, if that is empty, in the ELR, for these
// hold every committed record. Without such a one, ISR and ELR being empty, the last known leader, if exactly one is known: it may lack records, and the
// partition is marked as recovering. nil: nobody can lead.
func elect(img *image.Image, b Broker, p *image.Partition) *image.PartitionChangeRecord {
	elr := img.Feature(elrFeature) > 0 && img.Feature(image.MetadataVersion) >= image.MetadataVersionElr
	change := image.NewPartitionChange()
	eligible := p.Isr
	if len(eligible) == 0 && elr {
		eligible = p.Elr
	}
	for i, id := range p.Replicas {
		if slices.Contains(eligible, id) && serves(img, b, id, p.Directories[i]) {
			change.Leader = id
			break
		}
	}
	switch {
	case change.Leader != image.LeaderSame && len(p.Isr) == 0:
		change.Isr = []record.NodeID{change.Leader}
		change.Elr = slices.DeleteFunc(slices.Clone(p.Elr), func(id record.NodeID) bool { return id == change.Leader })
	case change.Leader != image.LeaderSame:
	case elr && len(eligible) == 0 && len(p.LastKnownElr) == 1:
		last := p.LastKnownElr[0]
		if i := slices.Index(p.Replicas, last); i < 0 || !serves(img, b, last, p.Directories[i]) {
			return nil
		}
		change.Leader, change.Isr = last, []record.NodeID{last}
		if p.RecoveryState == 0 {
			change.RecoveryState = 1
		}
	default:
		return nil
	}
	if elr && len(p.LastKnownElr) > 0 {
		change.LastKnownElr = []record.NodeID{}
	}
	return change
}

// serves reports whether a broker may lead what lies in one of its directories: it is unfenced, or is b, which is being unfenced, and the directory is online.
func serves(img *image.Image, b Broker, id record.NodeID, directory record.UUID) bool {
	online := b.LogDirs
	if id != b.ID {
		r, ok := img.Broker(id)
		if !ok || r.Fenced || r.InControlledShutdown {
			return false
		}
		online = r.LogDirs
	}
	return image.DirOnline(directory, online)
}
