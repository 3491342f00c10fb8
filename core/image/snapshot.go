package image

import (
	"iter"

	"odradek/core/record"
)

// Records yields records that fold into img from Empty, in the order in which Kafka writes a snapshot's data batches (RECORDS §2), each
// group sorted. Their versions are those of VersionFor under img's metadata.version. The records share img's slices.
func (img *Image) Records() iter.Seq[Record] {
	return func(yield func(Record) bool) {
		_ = img.clusterRecords(yield) && img.topicRecords(yield) && img.otherRecords(yield)
	}
}

func (img *Image) clusterRecords(yield func(Record) bool) bool {
	// metadata.version comes first: a reader takes the versions of what follows from it.
	if level := img.Feature(MetadataVersion); level != 0 && !yield(&FeatureLevelRecord{MetadataVersion, level}) {
		return false
	}
	for name, level := range img.Features() {
		if name != MetadataVersion && !yield(&FeatureLevelRecord{name, level}) {
			return false
		}
	}
	for b := range img.Brokers() {
		if !yield(&RegisterBrokerRecord{
			BrokerID: b.ID, IncarnationID: b.Incarnation, BrokerEpoch: b.Epoch, EndPoints: b.Endpoints, Features: b.Features,
			Rack: b.Rack, Fenced: b.Fenced, InControlledShutdown: b.InControlledShutdown, LogDirs: b.LogDirs,
			CordonedLogDirs: b.CordonedLogDirs,
		}) {
			return false
		}
	}
	for c := range img.Controllers() {
		if !yield(c) {
			return false
		}
	}
	return true
}

func (img *Image) topicRecords(yield func(Record) bool) bool {
	level := img.Feature(MetadataVersion)
	for t := range img.Topics() {
		if !yield(&TopicRecord{t.Name, t.ID}) {
			return false
		}
		for i, p := range t.Partitions {
			if !yield(p.record(t.ID, int32(i), level)) {
				return false
			}
		}
	}
	return true
}

// record returns the record that creates p. Below the level that knows directories, directories that say nothing are left out.
func (p *Partition) record(topic record.UUID, id int32, level int16) *PartitionRecord {
	r := &PartitionRecord{
		PartitionID: id, TopicID: topic, Replicas: p.Replicas, Isr: p.Isr, RemovingReplicas: p.Removing, AddingReplicas: p.Adding,
		Leader: p.Leader, LeaderEpoch: p.LeaderEpoch, PartitionEpoch: p.PartitionEpoch, Directories: p.Directories,
		RecoveryState: p.RecoveryState, Elr: p.Elr, LastKnownElr: p.LastKnownElr,
	}
	if level < MetadataVersionDirectories {
		r.Directories = nil
		for _, id := range p.Directories {
			if id != DirMigrating {
				r.Directories = p.Directories // AppendRecord will refuse to lose it
			}
		}
	}
	return r
}

func (img *Image) otherRecords(yield func(Record) bool) bool {
	for k, entries := range img.configs.all() {
		for i := range entries {
			if !yield(&ConfigRecord{ResourceType: k.kind, ResourceName: k.name, Name: entries[i].Name, Value: &entries[i].Value}) {
				return false
			}
		}
	}
	for q := range img.Quotas() {
		for _, v := range q.Values {
			if !yield(&ClientQuotaRecord{Entity: q.Entity, Key: v.Key, ValueBits: v.ValueBits}) {
				return false
			}
		}
	}
	if img.nextProducerID > 0 && !yield(&ProducerIDsRecord{BrokerID: record.NoNode, BrokerEpoch: -1, NextProducerID: img.nextProducerID}) {
		return false
	}
	for r := range img.ACLs() {
		if !yield(r) {
			return false
		}
	}
	for r := range img.ScramCredentials() {
		if !yield(r) {
			return false
		}
	}
	for r := range img.Tokens() {
		if !yield(r) {
			return false
		}
	}
	return true
}

// Cursor walks over Records in pieces: what a snapshot's data batches are made from, some at a time. The image stays as it is meanwhile.
type Cursor struct {
	img       *Image
	stage     int
	records   []Record // gathered, to be given
	topics    []*Topic // to be given
	partition int      // of topics[0]: the next one; -1: the topic itself
}

// Cursor returns a cursor at the first record.
func (img *Image) Cursor() *Cursor { return &Cursor{img: img, partition: -1} }

// Next returns up to n further records; none at the end.
func (c *Cursor) Next(n int) []Record {
	var out []Record
	gather := func(r Record) bool { c.records = append(c.records, r); return true }
	for len(out) < n {
		switch {
		case len(c.records) > 0:
			k := min(n-len(out), len(c.records))
			out = append(out, c.records[:k]...)
			c.records = c.records[k:]
		case len(c.topics) > 0:
			out = append(out, c.topicRecord())
		case c.stage == 0:
			c.img.clusterRecords(gather)
			c.stage++
		case c.stage == 1:
			c.topics = make([]*Topic, 0, c.img.TopicCount())
			for t := range c.img.Topics() {
				c.topics = append(c.topics, t)
			}
			c.stage++
		case c.stage == 2:
			c.img.otherRecords(gather)
			c.stage++
		default:
			return out
		}
	}
	return out
}

func (c *Cursor) topicRecord() (r Record) {
	t := c.topics[0]
	if c.partition < 0 {
		r = &TopicRecord{t.Name, t.ID}
	} else {
		r = t.Partitions[c.partition].record(t.ID, int32(c.partition), c.img.Feature(MetadataVersion))
	}
	if c.partition++; c.partition == len(t.Partitions) {
		c.topics, c.partition = c.topics[1:], -1
	}
	return r
}
