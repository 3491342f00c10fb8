package proto

import (
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/errcode"
	"odradek/core/record"
)

// metadataVersion is the highest version of Metadata that is asked in.
const metadataVersion = 12

// broker is one as Metadata told of it.
type broker struct {
	address string
	rack    string
}

// leader is where a partition is led.
type leader struct {
	broker int32 // -1: nowhere
	epoch  record.Epoch
}

// topic is one as Metadata told of it.
type topic struct {
	id         record.UUID // zero before version 10
	partitions []leader
	code       errcode.Code // why there is nothing of it
	heard      int64        // when; -1: never
}

// metadata is what the client knows of the cluster.
type metadata struct {
	brokers    map[int32]broker
	order      []int32 // of brokers, rising
	controller int32   // -1: unknown
	clusterID  string
	topics     map[string]*topic
	wanted     []string // rising
	create     bool     // topics that are not there may be made, if the broker does that

	stale    bool  // something is to be asked
	asked    bool  // it is under way
	heard    int64 // when the last answer came; -1: never
	since    int64 // not before: the next request
	failures int
}

func (m *metadata) init() {
	m.brokers, m.topics, m.controller, m.heard, m.stale = map[int32]broker{}, map[string]*topic{}, -1, -1, false
}

// want has a topic told of.
func (m *metadata) want(name string) *topic {
	t, ok := m.topics[name]
	if !ok {
		t = &topic{heard: -1}
		m.topics[name] = t
		i, _ := slices.BinarySearch(m.wanted, name)
		m.wanted = slices.Insert(m.wanted, i, name)
		m.stale = true
		if m.failures == 0 {
			m.since = 0 // that something else was asked for just now is no reason to wait, as with Kafka's clients
		}
	}
	return t
}

// unwant forgets a topic.
func (m *metadata) unwant(name string) {
	delete(m.topics, name)
	if i, ok := slices.BinarySearch(m.wanted, name); ok {
		m.wanted = slices.Delete(m.wanted, i, i+1)
	}
}

// leaderOf returns where a partition is led; ok is false while that is not known.
func (m *metadata) leaderOf(name string, partition int32) (leader, bool) {
	t := m.want(name)
	if int(partition) >= len(t.partitions) || partition < 0 {
		return leader{broker: -1}, false
	}
	l := t.partitions[partition]
	return l, l.broker >= 0
}

// moved reports whether a peer's broker is no longer where the peer says. Bootstrap addresses do not move.
func (m *metadata) moved(p *peer) bool {
	if p.broker < 0 || m.heard < 0 {
		return false
	}
	b, ok := m.brokers[p.broker]
	return !ok || b.address != p.address
}

func (m *metadata) due(c *Client) (at int64, due bool) {
	switch {
	case m.asked:
		return 0, false
	case m.stale:
		return m.since, true
	case m.heard >= 0 && len(m.wanted) > 0:
		return max(m.since, m.heard+c.cfg.MetadataMaxAge), true
	}
	return 0, false
}

func (m *metadata) advance(c *Client) {
	at, due := m.due(c)
	if !due || c.now < at {
		return
	}
	p := c.anyPeer()
	if p == nil {
		return
	}
	req := kmsg.NewPtrMetadataRequest()
	req.AllowAutoTopicCreation = m.create
	req.Topics = []kmsg.MetadataRequestTopic{}
	for _, name := range m.wanted {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = &name
		req.Topics = append(req.Topics, t)
	}
	if !c.ask(p, req, metadataVersion, tag{ownMetadata, 1}, c.cfg.RequestTimeout) {
		c.close(p, fmt.Errorf("%w: Metadata", ErrUnsupported))
		return
	}
	m.asked, m.stale = true, false
}

func (m *metadata) deadline(c *Client) (int64, bool) {
	at, due := m.due(c)
	return at, due && at > c.now // later it waits for a connection
}

func (m *metadata) lost(c *Client, _ *peer, _ tag, _ kmsg.Request, _ error) {
	m.asked, m.stale = false, true
	m.again(c)
}

// again puts the next request off.
func (m *metadata) again(c *Client) {
	m.failures++
	m.since = c.now + c.backoff(c.cfg.RetryBackoff, c.cfg.RetryBackoffMax, m.failures)
}

func (m *metadata) answered(c *Client, _ *peer, a *reply) {
	resp := a.resp.(*kmsg.MetadataResponse)
	m.asked = false
	if resp.ErrorCode != 0 {
		m.stale = true
		m.again(c)
		return
	}
	m.heard = c.now
	m.takeBrokers(resp)
	missing := false
	for i := range resp.Topics {
		missing = m.takeTopic(c, &resp.Topics[i]) || missing
	}
	if missing {
		m.stale = true
		m.again(c)
		return
	}
	m.failures = 0
	m.since = c.now + c.cfg.RetryBackoff // who finds it stale at once again must not ask without end
}

func (m *metadata) takeBrokers(resp *kmsg.MetadataResponse) {
	clear(m.brokers)
	m.order = m.order[:0]
	for i := range resp.Brokers {
		b := &resp.Brokers[i]
		m.name(b.NodeID, b.Host, b.Port, b.Rack)
	}
	m.controller = resp.ControllerID
	if resp.ClusterID != nil {
		m.clusterID = *resp.ClusterID
	}
}

// name enters where a broker is, if nobody has said it since the last Metadata: answers that name a new leader do so (KIP-951).
func (m *metadata) name(id int32, host string, port int32, rack *string) {
	if _, named := m.brokers[id]; named {
		return
	}
	b := broker{address: joinHostPort(host, port)}
	if rack != nil {
		b.rack = *rack
	}
	m.brokers[id] = b
	m.order = append(m.order, id)
	slices.Sort(m.order)
}

// takeTopic enters what is told of a topic, and reports whether it should be asked for again soon. A partition's leader of an older epoch is yesterday's news
// (KIP-320), unless the topic was made anew.
func (m *metadata) takeTopic(c *Client, told *kmsg.MetadataResponseTopic) (again bool) {
	if told.Topic == nil {
		return false
	}
	t, ok := m.topics[*told.Topic]
	if !ok {
		return false
	}
	t.heard = c.now
	if t.code = errcode.Code(told.ErrorCode); t.code != errcode.None {
		if t.code == errcode.UnknownTopicOrPartition {
			t.partitions = nil
		}
		return mayPass(t.code)
	}
	old := t.partitions
	if t.id != record.UUID(told.TopicID) {
		old = nil
	}
	t.id = told.TopicID
	t.partitions = make([]leader, len(told.Partitions))
	for i := range t.partitions {
		t.partitions[i].broker = -1
	}
	for i := range told.Partitions {
		p := &told.Partitions[i]
		if p.Partition < 0 || int(p.Partition) >= len(t.partitions) {
			continue // a broker's mistake
		}
		now := leader{p.Leader, record.Epoch(p.LeaderEpoch)}
		if int(p.Partition) < len(old) && now.epoch >= 0 && now.epoch < old[p.Partition].epoch {
			now = old[p.Partition]
		}
		t.partitions[p.Partition] = now
		if _, named := m.brokers[now.broker]; !named { // there is none, or a node that is behind does not know yet where it is
			again = true
		}
	}
	return again
}

// epochOf is the newest leader epoch that is known of a partition; NoEpoch: none is, as by metadata before version 7.
func (m *metadata) epochOf(name string, partition int32) record.Epoch {
	t, ok := m.topics[name]
	if !ok || partition < 0 || int(partition) >= len(t.partitions) {
		return record.NoEpoch
	}
	return t.partitions[partition].epoch
}

// hint takes up what an answer said of a partition's leader (KIP-951), if it is newer than what is known. False: it does not help, and metadata is to be asked for. So it is
// of a leader that nobody has told the address of.
func (m *metadata) hint(name string, partition int32, l leader) bool {
	t, ok := m.topics[name]
	if !ok || int(partition) >= len(t.partitions) || partition < 0 || l.broker < 0 || l.epoch <= t.partitions[partition].epoch {
		return false
	}
	t.partitions[partition] = l
	_, named := m.brokers[l.broker]
	return named
}

// mayPass reports whether what a broker refuses may succeed when it is asked again, perhaps of another broker (Kafka's RetriableException).
func mayPass(code errcode.Code) bool {
	switch code {
	case errcode.UnknownTopicOrPartition, errcode.LeaderNotAvailable, errcode.NotLeaderOrFollower, errcode.RequestTimedOut, errcode.NotEnoughReplicas,
		errcode.NotEnoughReplicasAppend, errcode.KafkaStorageError, errcode.CorruptMessage, errcode.CoordinatorNotAvailable, errcode.CoordinatorLoadInProgress,
		errcode.NotCoordinator, errcode.NetworkException, errcode.NotController,
		errcode.FencedLeaderEpoch, errcode.UnknownLeaderEpoch, errcode.OffsetNotAvailable, errcode.UnknownTopicID, errcode.InconsistentTopicID,
		errcode.FetchSessionIDNotFound, errcode.InvalidFetchSessionEpoch, errcode.FetchSessionTopicIDError, errcode.PreferredLeaderNotAvailable,
		errcode.EligibleLeadersNotAvailable, errcode.ThrottlingQuotaExceeded:
		return true
	}
	return false
}

// joinHostPort writes an address; an IPv6 one in brackets.
func joinHostPort(host string, port int32) string {
	if strings.Contains(host, ":") {
		return fmt.Sprintf("[%s]:%d", host, port)
	}
	return fmt.Sprintf("%s:%d", host, port)
}
