// Package image holds the cluster's metadata: the records of Kafka's metadata log with their codec, and the image that they fold into.
//
//	bytes --ParseRecord--> Record --Draft.Replay--> Draft --Freeze--> *Image --Records--> Record --AppendRecord--> bytes
//
// An Image never changes. A Draft is made from one, takes records, and freezes into the next; the two share all that did not change. A
// Replayer adds metadata transactions. Law: folding Replay over Records(img) gives img.
package image

import (
	"iter"
	"slices"
	"strconv"
	"strings"

	"odradek/core/record"
)

// At says up to where the metadata log is in an image: the last record contained. The zero At is not "nothing": see Empty.
type At struct {
	Offset    record.Offset // NoOffset: nothing is contained
	Epoch     record.Epoch  // leader epoch of that record's batch
	Timestamp record.UnixMillis
}

// Image is the metadata at one point of the log. It and all that its methods return are immutable; any goroutine may read it.
type Image struct {
	at             At
	topics         table[nameKey, *Topic]
	topicIDs       table[uuidKey, *Topic]
	brokers        table[nodeKey, *Broker]
	controllers    table[nodeKey, *RegisterControllerRecord]
	configs        table[resourceKey, []ConfigEntry]
	features       table[nameKey, int16]
	quotas         table[nameKey, *Quota]
	acls           table[uuidKey, *AccessControlEntryRecord]
	credentials    table[credentialKey, *UserScramCredentialRecord]
	tokens         table[nameKey, *DelegationTokenRecord]
	nextProducerID record.ProducerID
}

// Empty returns the image before the first record.
func Empty() *Image {
	return &Image{at: At{Offset: record.NoOffset, Epoch: record.NoEpoch, Timestamp: record.NoTimestamp}}
}

// Topic is one topic. Partitions[i] is partition i; there are no gaps.
type Topic struct {
	Name       string
	ID         record.UUID
	Partitions []*Partition
}

// Partition is one partition of a topic. Empty slices are nil.
type Partition struct {
	Replicas       []record.NodeID // preferred leader first
	Directories    []record.UUID   // one for each of Replicas
	Isr            []record.NodeID
	Removing       []record.NodeID
	Adding         []record.NodeID
	Elr            []record.NodeID
	LastKnownElr   []record.NodeID
	Leader         record.NodeID // NoNode: none
	LeaderEpoch    record.Epoch
	PartitionEpoch int32
	RecoveryState  int8 // 1: recovering from an unclean election
}

// DirectoryOf returns the directory in which a broker keeps its replica; DirUnassigned if it has none or the image does not know.
func (p *Partition) DirectoryOf(broker record.NodeID) record.UUID {
	for i, r := range p.Replicas {
		if r == broker && i < len(p.Directories) {
			return p.Directories[i]
		}
	}
	return DirUnassigned
}

// DirOnline reports whether a replica's directory is among those that its broker has. One that the image does not know counts as online (Kafka's
// DirectoryId.isOnline).
func DirOnline(dir record.UUID, has []record.UUID) bool {
	switch dir {
	case DirUnassigned, DirMigrating:
		return true
	case DirLost:
		return false
	}
	return len(has) == 0 || slices.Contains(has, dir)
}

// Broker is the registration of a broker's incarnation.
type Broker struct {
	ID                   record.NodeID
	Incarnation          record.UUID
	Epoch                int64
	Endpoints            []Endpoint
	Features             []FeatureRange
	Rack                 *string
	Fenced               bool
	InControlledShutdown bool
	LogDirs              []record.UUID
	CordonedLogDirs      []record.UUID // empty: none are; nil: the broker has not said
}

// ConfigEntry is one config of a resource.
type ConfigEntry struct{ Name, Value string }

// Quota is what is set for one entity. Parts are sorted by type, values by key.
type Quota struct {
	Entity []QuotaEntity
	Values []QuotaValue
}

// QuotaValue is one quota; ValueBits are those of an IEEE 754 double.
type QuotaValue struct {
	Key       string
	ValueBits uint64
}

// At returns up to where the log is contained.
func (img *Image) At() At { return img.at }

// Offset is that of the last record contained, or NoOffset.
func (img *Image) Offset() record.Offset { return img.at.Offset }

// Epoch is the leader epoch of the last record contained, or NoEpoch.
func (img *Image) Epoch() record.Epoch { return img.at.Epoch }

// Topic finds a topic by name.
func (img *Image) Topic(name string) (*Topic, bool) { return img.topics.get(nameKey(name)) }

// TopicByID finds a topic by id.
func (img *Image) TopicByID(id record.UUID) (*Topic, bool) { return img.topicIDs.get(uuidKey(id)) }

// TopicCount is the number of topics.
func (img *Image) TopicCount() int { return img.topics.n }

// Topics yields all topics in order of name.
func (img *Image) Topics() iter.Seq[*Topic] { return values(&img.topics) }

// Broker finds a broker's registration, fenced or not.
func (img *Image) Broker(id record.NodeID) (*Broker, bool) { return img.brokers.get(nodeKey(id)) }

// Brokers yields all registrations by rising id.
func (img *Image) Brokers() iter.Seq[*Broker] { return values(&img.brokers) }

// Controllers yields the registrations of controllers by rising id.
func (img *Image) Controllers() iter.Seq[*RegisterControllerRecord] { return values(&img.controllers) }

// Config returns what is set for a resource, sorted by name of the config; nil if nothing is.
func (img *Image) Config(kind ResourceType, name string) []ConfigEntry {
	entries, _ := img.configs.get(resourceKey{kind, name})
	return entries
}

// ConfigValue returns one config of a resource.
func (img *Image) ConfigValue(kind ResourceType, resource, name string) (string, bool) {
	for _, e := range img.Config(kind, resource) {
		if e.Name == name {
			return e.Value, true
		}
	}
	return "", false
}

// ConfigCount returns how many configs are set for resources of a kind.
func (img *Image) ConfigCount(kind ResourceType) (n int) {
	for k, entries := range img.configs.all() {
		if k.kind == kind {
			n += len(entries)
		}
	}
	return n
}

// Configured returns the names of the resources of a kind for which something is set, sorted.
func (img *Image) Configured(kind ResourceType) (names []string) {
	for k := range img.configs.all() {
		if k.kind == kind {
			names = append(names, k.name)
		}
	}
	return names
}

// Feature returns the finalized level of a feature, 0 if there is none.
func (img *Image) Feature(name string) int16 {
	level, _ := img.features.get(nameKey(name))
	return level
}

// Features yields the finalized features in order of name.
func (img *Image) Features() iter.Seq2[string, int16] {
	return func(yield func(string, int16) bool) {
		for name, level := range img.features.all() {
			if !yield(string(name), level) {
				return
			}
		}
	}
}

// NextProducerID is the first producer id that was never handed out.
func (img *Image) NextProducerID() record.ProducerID { return img.nextProducerID }

// Quotas yields all client quotas in a stable order.
func (img *Image) Quotas() iter.Seq[*Quota] { return values(&img.quotas) }

// ACLs yields all access control entries by rising id.
func (img *Image) ACLs() iter.Seq[*AccessControlEntryRecord] { return values(&img.acls) }

// ScramCredential finds a user's credential for a mechanism.
func (img *Image) ScramCredential(user string, mechanism int8) (*UserScramCredentialRecord, bool) {
	return img.credentials.get(credentialKey{user, mechanism})
}

// ScramCredentials yields all credentials in order of user and mechanism.
func (img *Image) ScramCredentials() iter.Seq[*UserScramCredentialRecord] {
	return values(&img.credentials)
}

// Token finds a delegation token by its id.
func (img *Image) Token(id string) (*DelegationTokenRecord, bool) { return img.tokens.get(nameKey(id)) }

// Tokens yields all delegation tokens in order of id.
func (img *Image) Tokens() iter.Seq[*DelegationTokenRecord] { return values(&img.tokens) }

func values[K key[K], V any](t *table[K, V]) iter.Seq[V] {
	return func(yield func(V) bool) {
		for _, v := range t.all() {
			if !yield(v) {
				return
			}
		}
	}
}

// quotaKey returns what a sorted entity is found by: each text preceded by its length, so that no two entities share a key.
func quotaKey(entity []QuotaEntity) nameKey {
	var b strings.Builder
	text := func(s string) { b.WriteString(strconv.Itoa(len(s)) + ":" + s) }
	for _, e := range entity {
		text(e.Type)
		if e.Name != nil {
			text(*e.Name)
		}
		b.WriteByte(';')
	}
	return nameKey(b.String())
}
