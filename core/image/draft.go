package image

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"odradek/core/record"
)

// ErrInconsistent is what Replay returns, wrapped, for a record that does not fit what came before it. A committed log never holds
// one: the caller halts.
var ErrInconsistent = errors.New("metadata record does not fit the image")

// MaxPartitions bounds the partitions of one topic, so that a damaged partition id cannot take all memory.
const MaxPartitions = 1 << 20

// MetadataVersion is the name of the feature that selects record versions.
const MetadataVersion = "metadata.version"

// Draft is an image in the making. It starts as an image and takes records; nobody else sees it until Freeze. After an error it is to
// be thrown away.
type Draft struct {
	img   Image
	fresh map[record.UUID]*Topic // topics of this draft that no image holds: they may be changed in place
	own   struct {
		topics, topicIDs, brokers, controllers, configs, features, quotas, acls, credentials, tokens owner
	}
}

// Draft returns a draft of the image that follows img.
func (img *Image) Draft() *Draft { return &Draft{img: *img} }

// Replay returns the image after records, the last of which is at. Errors: ErrInconsistent.
func (img *Image) Replay(records []Record, at At) (*Image, error) {
	d := img.Draft()
	for _, r := range records {
		if err := d.Replay(r); err != nil {
			return nil, err
		}
	}
	return d.Freeze(at)
}

// Freeze returns the draft as an image. The draft goes on from it and may take more records. It fails with ErrInconsistent if a topic
// that was changed lacks a partition below its highest.
func (d *Draft) Freeze(at At) (*Image, error) {
	for _, t := range d.fresh { // any order: at most one fails, or the least name is named
		if err := t.whole(); err != nil {
			return nil, d.firstGap()
		}
	}
	frozen := d.img
	frozen.at = at
	*d = Draft{img: frozen}
	return &frozen, nil
}

func (t *Topic) whole() error {
	if i := slices.Index(t.Partitions, nil); i >= 0 {
		return inconsistent("topic %q has partition %d and lacks %d", t.Name, len(t.Partitions)-1, i)
	}
	return nil
}

// firstGap names the gap in the first topic by name: the same error whatever the order of a map.
func (d *Draft) firstGap() error {
	for _, t := range d.img.topics.all() {
		if err := t.whole(); err != nil {
			return err
		}
	}
	return nil
}

func inconsistent(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInconsistent, fmt.Sprintf(format, args...))
}

// Replay takes one record. Begin-, End- and AbortTransaction change nothing here: see Replayer.
func (d *Draft) Replay(r Record) error {
	if err := d.replay(r); err != nil {
		return fmt.Errorf("%s: %w", r.Type(), err)
	}
	return nil
}

func (d *Draft) replay(r Record) error {
	switch r := r.(type) {
	case *TopicRecord:
		return d.topic(r)
	case *PartitionRecord:
		return d.partition(r)
	case *PartitionChangeRecord:
		return d.partitionChange(r)
	case *RemoveTopicRecord:
		return d.removeTopic(r)
	case *ClearElrRecord:
		return d.clearElr(r)
	case *ConfigRecord:
		d.config(r)
	case *RegisterBrokerRecord:
		d.img.brokers.put(&d.own.brokers, nodeKey(r.BrokerID), brokerOf(r))
	case *UnregisterBrokerRecord:
		if _, err := d.broker(r.BrokerID, r.BrokerEpoch); err != nil {
			return err
		}
		d.img.brokers.remove(&d.own.brokers, nodeKey(r.BrokerID))
	case *FenceBrokerRecord:
		return d.brokerChange(&BrokerRegistrationChangeRecord{BrokerID: r.BrokerID, BrokerEpoch: r.BrokerEpoch, Fenced: 1})
	case *UnfenceBrokerRecord:
		return d.brokerChange(&BrokerRegistrationChangeRecord{BrokerID: r.BrokerID, BrokerEpoch: r.BrokerEpoch, Fenced: -1})
	case *BrokerRegistrationChangeRecord:
		return d.brokerChange(r)
	case *RegisterControllerRecord:
		d.img.controllers.put(&d.own.controllers, nodeKey(r.ControllerID), r)
	case *FeatureLevelRecord:
		return d.feature(r)
	case *ProducerIDsRecord:
		return d.producerIDs(r)
	default:
		return d.replayAccess(r)
	}
	return nil
}

// replayAccess takes the records about who may do what and how much, and those that change nothing.
func (d *Draft) replayAccess(r Record) error {
	switch r := r.(type) {
	case *ClientQuotaRecord:
		d.quota(r)
	case *AccessControlEntryRecord:
		if _, found := d.img.acls.get(uuidKey(r.ID)); found {
			return inconsistent("an ACL with id %s exists", r.ID)
		}
		d.img.acls.put(&d.own.acls, uuidKey(r.ID), r)
	case *RemoveAccessControlEntryRecord:
		if !d.img.acls.remove(&d.own.acls, uuidKey(r.ID)) {
			return inconsistent("no ACL has id %s", r.ID)
		}
	case *UserScramCredentialRecord:
		d.img.credentials.put(&d.own.credentials, credentialKey{r.Name, r.Mechanism}, r)
	case *RemoveUserScramCredentialRecord:
		if !d.img.credentials.remove(&d.own.credentials, credentialKey{r.Name, r.Mechanism}) {
			return inconsistent("user %q has no credential of mechanism %d", r.Name, r.Mechanism)
		}
	case *DelegationTokenRecord:
		d.img.tokens.put(&d.own.tokens, nameKey(r.TokenID), r)
	case *RemoveDelegationTokenRecord:
		d.img.tokens.remove(&d.own.tokens, nameKey(r.TokenID))
	case *NoOpRecord, *ZkMigrationStateRecord, *BeginTransactionRecord, *EndTransactionRecord, *AbortTransactionRecord:
	default:
		return inconsistent("nothing replays it")
	}
	return nil
}

func (d *Draft) topic(r *TopicRecord) error {
	if _, found := d.img.topics.get(nameKey(r.Name)); found {
		return inconsistent("a topic named %q exists", r.Name)
	}
	if t, found := d.img.topicIDs.get(uuidKey(r.ID)); found {
		return inconsistent("id %s of topic %q is that of %q", r.ID, r.Name, t.Name)
	}
	d.setTopic(&Topic{Name: r.Name, ID: r.ID})
	return nil
}

// setTopic puts a topic that belongs to this draft alone in both tables.
func (d *Draft) setTopic(t *Topic) {
	d.img.topics.put(&d.own.topics, nameKey(t.Name), t)
	d.img.topicIDs.put(&d.own.topicIDs, uuidKey(t.ID), t)
	if d.fresh == nil {
		d.fresh = map[record.UUID]*Topic{}
	}
	d.fresh[t.ID] = t
}

// editTopic returns a topic that may be changed in place, copying it where an image holds it.
func (d *Draft) editTopic(id record.UUID) (*Topic, error) {
	if t := d.fresh[id]; t != nil {
		return t, nil
	}
	old, found := d.img.topicIDs.get(uuidKey(id))
	if !found {
		return nil, inconsistent("no topic has id %s", id)
	}
	t := &Topic{Name: old.Name, ID: old.ID, Partitions: slices.Clone(old.Partitions)}
	d.setTopic(t)
	return t, nil
}

func (d *Draft) removeTopic(r *RemoveTopicRecord) error {
	t, found := d.img.topicIDs.get(uuidKey(r.TopicID))
	if !found {
		return inconsistent("no topic has id %s", r.TopicID)
	}
	d.img.topics.remove(&d.own.topics, nameKey(t.Name))
	d.img.topicIDs.remove(&d.own.topicIDs, uuidKey(t.ID))
	d.img.configs.remove(&d.own.configs, resourceKey{ResourceTopic, t.Name})
	delete(d.fresh, t.ID)
	return nil
}

// config sets or deletes one config. Entries are sorted; a resource without any is forgotten.
func (d *Draft) config(r *ConfigRecord) {
	k := resourceKey{r.ResourceType, r.ResourceName}
	old, _ := d.img.configs.get(k)
	i, found := slices.BinarySearchFunc(old, r.Name, func(e ConfigEntry, name string) int { return strings.Compare(e.Name, name) })
	if r.Value == nil && !found {
		return
	}
	entries := slices.Clone(old) // images hold old
	switch {
	case r.Value == nil:
		entries = slices.Delete(entries, i, i+1)
	case found:
		entries[i].Value = *r.Value
	default:
		entries = slices.Insert(entries, i, ConfigEntry{r.Name, *r.Value})
	}
	if len(entries) == 0 {
		d.img.configs.remove(&d.own.configs, k)
		return
	}
	d.img.configs.put(&d.own.configs, k, entries)
}

func (d *Draft) feature(r *FeatureLevelRecord) error {
	switch {
	case r.Name == "kraft.version": // it is a control record's to say
	case r.Level == 0 && r.Name == MetadataVersion:
		return inconsistent("metadata.version cannot be removed")
	case r.Level == 0:
		d.img.features.remove(&d.own.features, nameKey(r.Name))
	default:
		d.img.features.put(&d.own.features, nameKey(r.Name), r.Level)
	}
	return nil
}

func (d *Draft) producerIDs(r *ProducerIDsRecord) error {
	if r.NextProducerID <= d.img.nextProducerID {
		return inconsistent("next producer id %d is not above %d", r.NextProducerID, d.img.nextProducerID)
	}
	d.img.nextProducerID = r.NextProducerID
	return nil
}

func (d *Draft) quota(r *ClientQuotaRecord) {
	entity := slices.Clone(r.Entity)
	slices.SortStableFunc(entity, func(a, b QuotaEntity) int { return strings.Compare(a.Type, b.Type) })
	k := quotaKey(entity)
	q := &Quota{Entity: entity}
	if old, found := d.img.quotas.get(k); found {
		q.Values = slices.Clone(old.Values)
	}
	i, found := slices.BinarySearchFunc(q.Values, r.Key, func(v QuotaValue, key string) int { return strings.Compare(v.Key, key) })
	switch {
	case r.Remove && found:
		q.Values = slices.Delete(q.Values, i, i+1)
	case r.Remove:
	case found:
		q.Values[i].ValueBits = r.ValueBits
	default:
		q.Values = slices.Insert(q.Values, i, QuotaValue{r.Key, r.ValueBits})
	}
	if len(q.Values) == 0 {
		d.img.quotas.remove(&d.own.quotas, k)
		return
	}
	d.img.quotas.put(&d.own.quotas, k, q)
}
