package image

import "odradek/core/record"

// TopicRecord creates a topic without partitions.
type TopicRecord struct {
	Name string
	ID   record.UUID
}

// Type returns TypeTopic.
func (*TopicRecord) Type() Type { return TypeTopic }

func (r *TopicRecord) code(c *coder, _ int16) {
	c.string(&r.Name)
	c.uuid(&r.ID)
	c.end()
}

// RemoveTopicRecord removes a topic with its partitions and configs.
type RemoveTopicRecord struct{ TopicID record.UUID }

// Type returns TypeRemoveTopic.
func (*RemoveTopicRecord) Type() Type { return TypeRemoveTopic }

func (r *RemoveTopicRecord) code(c *coder, _ int16) { c.uuid(&r.TopicID); c.end() }

// The directory ids that are none (RECORDS §5).
var (
	DirMigrating  = record.UUID{}
	DirUnassigned = record.UUID{15: 1}
	DirLost       = record.UUID{15: 2}
)

// PartitionRecord creates a partition, or replaces it whole.
type PartitionRecord struct {
	PartitionID      int32
	TopicID          record.UUID
	Replicas         []record.NodeID
	Isr              []record.NodeID
	RemovingReplicas []record.NodeID
	AddingReplicas   []record.NodeID
	Leader           record.NodeID
	LeaderEpoch      record.Epoch
	PartitionEpoch   int32
	Directories      []record.UUID   // versions 1+: one for each replica, or none
	RecoveryState    int8            // 0 recovered, 1 recovering from an unclean election
	Elr              []record.NodeID // versions 2+, nil: null
	LastKnownElr     []record.NodeID // versions 2+, nil: null
}

// Type returns TypePartition.
func (*PartitionRecord) Type() Type { return TypePartition }

func (r *PartitionRecord) code(c *coder, version int16) {
	int32s(c, &r.PartitionID)
	c.uuid(&r.TopicID)
	c.nodes(&r.Replicas)
	c.nodes(&r.Isr)
	c.nodes(&r.RemovingReplicas)
	c.nodes(&r.AddingReplicas)
	int32s(c, &r.Leader)
	int32s(c, &r.LeaderEpoch)
	int32s(c, &r.PartitionEpoch)
	if version >= 1 {
		c.uuids(&r.Directories)
	} else {
		c.lacks(len(r.Directories) > 0, "Directories")
	}
	c.tags(3, func(tag uint32) bool {
		switch {
		case tag == 0:
			c.optInt8(&r.RecoveryState, 0)
		case tag == 1 && version >= 2:
			c.optNodes(&r.Elr)
		case tag == 2 && version >= 2:
			c.optNodes(&r.LastKnownElr)
		default:
			c.lacks(r.Elr != nil || r.LastKnownElr != nil, "ELR")
			return false
		}
		return true
	})
}

// LeaderSame and RecoverySame leave a field of a partition as it is.
const (
	LeaderSame   record.NodeID = -2
	RecoverySame int8          = -1
)

// PartitionChangeRecord changes a partition. Nil slices leave their field as it is, empty ones empty it. NewPartitionChange gives one
// that changes nothing.
type PartitionChangeRecord struct {
	PartitionID      int32
	TopicID          record.UUID
	Isr              []record.NodeID
	Leader           record.NodeID // LeaderSame; any other, even the present leader, raises the leader epoch
	Replicas         []record.NodeID
	RemovingReplicas []record.NodeID
	AddingReplicas   []record.NodeID
	RecoveryState    int8            // RecoverySame
	Elr              []record.NodeID // versions 2+
	LastKnownElr     []record.NodeID // versions 2+
	Directories      []record.UUID   // versions 1+
}

// NewPartitionChange returns a record that changes nothing yet but the partition epoch.
func NewPartitionChange() *PartitionChangeRecord {
	return &PartitionChangeRecord{Leader: LeaderSame, RecoveryState: RecoverySame}
}

// Type returns TypePartitionChange.
func (*PartitionChangeRecord) Type() Type { return TypePartitionChange }

func (r *PartitionChangeRecord) code(c *coder, version int16) {
	int32s(c, &r.PartitionID)
	c.uuid(&r.TopicID)
	c.tags(9, func(tag uint32) bool { return r.tag(c, version, tag) })
}

func (r *PartitionChangeRecord) tag(c *coder, version int16, tag uint32) bool {
	switch {
	case tag == 0:
		c.optNodes(&r.Isr)
	case tag == 1:
		c.omit = r.Leader == LeaderSame
		int32s(c, &r.Leader)
	case tag == 2:
		c.optNodes(&r.Replicas)
	case tag == 3:
		c.optNodes(&r.RemovingReplicas)
	case tag == 4:
		c.optNodes(&r.AddingReplicas)
	case tag == 5:
		c.optInt8(&r.RecoveryState, RecoverySame)
	case tag == 6 && version >= 2:
		c.optNodes(&r.Elr)
	case tag == 7 && version >= 2:
		c.optNodes(&r.LastKnownElr)
	case tag == 8 && version >= 1:
		c.optUUIDs(&r.Directories)
	default:
		c.lacks(version < 2 && (r.Elr != nil || r.LastKnownElr != nil), "ELR")
		c.lacks(version < 1 && r.Directories != nil, "Directories")
		return false
	}
	return true
}

// ClearElrRecord clears the ELR and last known ELR of a topic's partitions; "" is all topics.
type ClearElrRecord struct{ TopicName string }

// Type returns TypeClearElr.
func (*ClearElrRecord) Type() Type { return TypeClearElr }

func (r *ClearElrRecord) code(c *coder, _ int16) { c.string(&r.TopicName); c.end() }

// ResourceType is the kind of thing that a config belongs to.
type ResourceType int8

// The resources that have configs.
const (
	ResourceTopic         ResourceType = 2
	ResourceBroker        ResourceType = 4
	ResourceClientMetrics ResourceType = 16
	ResourceGroup         ResourceType = 32
)

// ConfigRecord sets one config of a resource; a nil Value deletes it. ResourceBroker with name "" is every broker's default.
type ConfigRecord struct {
	ResourceType ResourceType
	ResourceName string
	Name         string
	Value        *string
}

// Type returns TypeConfig.
func (*ConfigRecord) Type() Type { return TypeConfig }

func (r *ConfigRecord) code(c *coder, _ int16) {
	c.int8((*int8)(&r.ResourceType))
	c.string(&r.ResourceName)
	c.string(&r.Name)
	c.nullString(&r.Value)
	c.end()
}
