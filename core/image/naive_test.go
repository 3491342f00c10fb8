package image

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"odradek/core/record"
)

// naive is the second implementation: plain maps, copied whole, written from RECORDS §5.
type naive struct {
	ids        map[record.UUID]string
	parts      map[string]map[int32]Partition
	lines      map[string]string // everything that is a key and a value
	brokers    map[record.NodeID]Broker
	producerID record.ProducerID
}

func newNaive() *naive {
	return &naive{ids: map[record.UUID]string{}, parts: map[string]map[int32]Partition{}, lines: map[string]string{},
		brokers: map[record.NodeID]Broker{}}
}

func (n *naive) clone() *naive {
	c := newNaive()
	c.producerID = n.producerID
	for k, v := range n.ids { // any order: a copy
		c.ids[k] = v
	}
	for k, v := range n.lines { // any order: a copy
		c.lines[k] = v
	}
	for k, v := range n.brokers { // any order: a copy
		c.brokers[k] = v
	}
	for k, v := range n.parts { // any order: a copy
		c.parts[k] = map[int32]Partition{}
		for i, p := range v { // any order: a copy
			c.parts[k][i] = p
		}
	}
	return c
}

var errNaive = errors.New("no")

func (n *naive) replay(records []Record) error {
	for _, r := range records {
		if err := n.one(r); err != nil {
			return err
		}
	}
	for _, parts := range n.parts { // any order: any gap fails
		for i := range int32(len(parts)) {
			if _, ok := parts[i]; !ok {
				return errNaive
			}
		}
	}
	return nil
}

func when(bad bool) error {
	if bad {
		return errNaive
	}
	return nil
}

func (n *naive) one(r Record) error {
	switch r := r.(type) {
	case *TopicRecord:
		_, name := n.parts[r.Name]
		_, id := n.ids[r.ID]
		n.ids[r.ID], n.parts[r.Name] = r.Name, map[int32]Partition{}
		return when(name || id)
	case *RemoveTopicRecord:
		name, ok := n.ids[r.TopicID]
		delete(n.ids, r.TopicID)
		delete(n.parts, name)
		for k := range n.lines { // any order: each is looked at
			if strings.HasPrefix(k, "config 2 "+name+" ") {
				delete(n.lines, k)
			}
		}
		return when(!ok)
	case *PartitionRecord, *PartitionChangeRecord, *ClearElrRecord:
		return n.partition(r)
	case *RegisterBrokerRecord:
		n.brokers[r.BrokerID] = Broker{ID: r.BrokerID, Incarnation: r.IncarnationID, Epoch: r.BrokerEpoch, Endpoints: r.EndPoints,
			Features: r.Features, Rack: r.Rack, Fenced: r.Fenced, InControlledShutdown: r.InControlledShutdown, LogDirs: r.LogDirs,
			CordonedLogDirs: r.CordonedLogDirs}
	case *UnregisterBrokerRecord, *FenceBrokerRecord, *UnfenceBrokerRecord, *BrokerRegistrationChangeRecord:
		return n.broker(r)
	case *ProducerIDsRecord:
		bad := r.NextProducerID <= n.producerID
		n.producerID = r.NextProducerID
		return when(bad)
	default:
		return n.line(r)
	}
	return nil
}

func (n *naive) line(r Record) error {
	set := func(k, v string) { n.lines[k] = v }
	drop := func(k string) bool { _, ok := n.lines[k]; delete(n.lines, k); return ok }
	switch r := r.(type) {
	case *ConfigRecord:
		k := fmt.Sprintf("config %d %s %s", r.ResourceType, r.ResourceName, r.Name)
		if r.Value == nil {
			drop(k)
		} else {
			set(k, *r.Value)
		}
	case *RegisterControllerRecord:
		set(fmt.Sprintf("controller %d", r.ControllerID), fmt.Sprintf("%+v", *r))
	case *FeatureLevelRecord:
		if r.Name == "kraft.version" {
			return nil
		}
		if r.Level == 0 {
			drop("feature " + r.Name)
			return when(r.Name == MetadataVersion)
		}
		set("feature "+r.Name, fmt.Sprint(r.Level))
	case *ClientQuotaRecord:
		k := "quota " + entityText(r.Entity) + r.Key
		if r.Remove {
			drop(k)
		} else {
			set(k, fmt.Sprint(r.ValueBits))
		}
	case *AccessControlEntryRecord:
		bad := drop("acl " + r.ID.String())
		set("acl "+r.ID.String(), fmt.Sprintf("%+v", *r))
		return when(bad)
	case *RemoveAccessControlEntryRecord:
		return when(!drop("acl " + r.ID.String()))
	case *UserScramCredentialRecord:
		set(fmt.Sprintf("scram %s %d", r.Name, r.Mechanism), fmt.Sprintf("%+v", *r))
	case *RemoveUserScramCredentialRecord:
		return when(!drop(fmt.Sprintf("scram %s %d", r.Name, r.Mechanism)))
	case *DelegationTokenRecord:
		set("token "+r.TokenID, fmt.Sprintf("%+v", *r))
	case *RemoveDelegationTokenRecord:
		drop("token " + r.TokenID)
	}
	return nil
}

// entityText is the same for the same parts in any order.
func entityText(entity []QuotaEntity) string {
	var parts []string
	for _, e := range entity {
		name := "<default>"
		if e.Name != nil {
			name = *e.Name
		}
		parts = append(parts, e.Type+"="+name)
	}
	slices.Sort(parts)
	return strings.Join(parts, ",") + "/"
}

func (n *naive) broker(r Record) error {
	var id record.NodeID
	var epoch int64
	change := func(*Broker) {}
	switch r := r.(type) {
	case *UnregisterBrokerRecord:
		id, epoch = r.BrokerID, r.BrokerEpoch
	case *FenceBrokerRecord:
		id, epoch = r.BrokerID, r.BrokerEpoch
		change = func(b *Broker) { b.Fenced = true }
	case *UnfenceBrokerRecord:
		id, epoch = r.BrokerID, r.BrokerEpoch
		change = func(b *Broker) { b.Fenced = false }
	case *BrokerRegistrationChangeRecord:
		id, epoch = r.BrokerID, r.BrokerEpoch
		change = func(b *Broker) {
			b.Fenced = b.Fenced && r.Fenced != -1 || r.Fenced == 1
			b.InControlledShutdown = b.InControlledShutdown || r.InControlledShutdown == 1
			if len(r.LogDirs) > 0 {
				b.LogDirs = r.LogDirs
			}
			if r.CordonedLogDirs != nil {
				b.CordonedLogDirs = r.CordonedLogDirs
			}
		}
	}
	b, ok := n.brokers[id]
	if !ok || b.Epoch != epoch {
		return errNaive
	}
	change(&b)
	n.brokers[id] = b
	if r.Type() == TypeUnregisterBroker {
		delete(n.brokers, id)
	}
	return nil
}

func (n *naive) partition(r Record) error {
	switch r := r.(type) {
	case *PartitionRecord:
		dirs := r.Directories
		if len(dirs) == 0 {
			dirs = make([]record.UUID, len(r.Replicas))
		}
		parts, ok := n.parts[n.ids[r.TopicID]]
		if !ok || len(dirs) != len(r.Replicas) {
			return errNaive
		}
		parts[r.PartitionID] = Partition{r.Replicas, dirs, r.Isr, r.RemovingReplicas, r.AddingReplicas, r.Elr, r.LastKnownElr, r.Leader,
			r.LeaderEpoch, r.PartitionEpoch, r.RecoveryState}
	case *ClearElrRecord:
		if _, ok := n.parts[r.TopicName]; !ok && r.TopicName != "" {
			return errNaive
		}
		for name, parts := range n.parts { // any order: each is cleared
			for i, p := range parts { // any order: each is cleared
				if (r.TopicName == "" || r.TopicName == name) && len(p.Elr)+len(p.LastKnownElr) > 0 {
					p.Elr, p.LastKnownElr = nil, nil
					p.PartitionEpoch++
					parts[i] = p
				}
			}
		}
	case *PartitionChangeRecord:
		parts := n.parts[n.ids[r.TopicID]]
		p, ok := parts[r.PartitionID]
		if !ok {
			return errNaive
		}
		for _, f := range []struct{ to, from *[]record.NodeID }{{&p.Replicas, &r.Replicas}, {&p.Isr, &r.Isr}, {&p.Elr, &r.Elr},
			{&p.Removing, &r.RemovingReplicas}, {&p.Adding, &r.AddingReplicas}, {&p.LastKnownElr, &r.LastKnownElr}} {
			if *f.from != nil {
				*f.to = *f.from
			}
		}
		if len(r.Directories) > 0 {
			p.Directories = r.Directories
		}
		if !slices.ContainsFunc(p.Directories, func(u record.UUID) bool { return u != DirMigrating }) && len(r.Directories) == 0 {
			p.Directories = make([]record.UUID, len(p.Replicas))
		}
		if r.Leader != -2 {
			p.Leader, p.LeaderEpoch = r.Leader, p.LeaderEpoch+1
		}
		if r.RecoveryState != -1 {
			p.RecoveryState = r.RecoveryState
		}
		p.PartitionEpoch++
		parts[r.PartitionID] = p
		return when(len(p.Directories) != len(p.Replicas))
	}
	return nil
}

// dump prints everything, one sorted line each.
func (n *naive) dump() string {
	var out []string
	for k, v := range n.lines { // any order: sorted below
		out = append(out, k+" = "+v)
	}
	for id, name := range n.ids { // any order: sorted below
		out = append(out, fmt.Sprintf("topic %s %s %d", name, id, len(n.parts[name])))
		for i, p := range n.parts[name] { // any order: sorted below
			out = append(out, fmt.Sprintf("partition %s %d %+v", name, i, p))
		}
	}
	for _, b := range n.brokers { // any order: sorted below
		out = append(out, brokerText(&b))
	}
	slices.Sort(out)
	return strings.Join(out, "\n") + fmt.Sprintf("\nnext producer %d", n.producerID)
}

func brokerText(b *Broker) string {
	c, rack := *b, "-"
	if c.Rack != nil {
		rack = *c.Rack
	}
	c.Rack = nil
	return fmt.Sprintf("broker %+v %s", c, rack)
}

// dump prints an image as naive.dump does.
func dump(img *Image) string {
	var out []string
	for t := range img.Topics() {
		out = append(out, fmt.Sprintf("topic %s %s %d", t.Name, t.ID, len(t.Partitions)))
		for i, p := range t.Partitions {
			out = append(out, fmt.Sprintf("partition %s %d %+v", t.Name, i, *p))
		}
	}
	for b := range img.Brokers() {
		out = append(out, brokerText(b))
	}
	for k, entries := range img.configs.all() {
		for _, e := range entries {
			out = append(out, fmt.Sprintf("config %d %s %s = %s", k.kind, k.name, e.Name, e.Value))
		}
	}
	for c := range img.Controllers() {
		out = append(out, fmt.Sprintf("controller %d = %+v", c.ControllerID, *c))
	}
	for name, level := range img.Features() {
		out = append(out, fmt.Sprintf("feature %s = %d", name, level))
	}
	for q := range img.Quotas() {
		for _, v := range q.Values {
			out = append(out, fmt.Sprintf("quota %s%s = %d", entityText(q.Entity), v.Key, v.ValueBits))
		}
	}
	for r := range img.ACLs() {
		out = append(out, fmt.Sprintf("acl %s = %+v", r.ID, *r))
	}
	for r := range img.ScramCredentials() {
		out = append(out, fmt.Sprintf("scram %s %d = %+v", r.Name, r.Mechanism, *r))
	}
	for r := range img.Tokens() {
		out = append(out, fmt.Sprintf("token %s = %+v", r.TokenID, *r))
	}
	slices.Sort(out)
	return strings.Join(out, "\n") + fmt.Sprintf("\nnext producer %d", img.NextProducerID())
}
