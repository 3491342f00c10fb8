package sim

import (
	"fmt"
	"slices"

	"odradek/core"
	"odradek/core/prng"
)

// AdminOptions are those of a client that makes, grows and deletes topics.
type AdminOptions struct {
	Requests  int // in the time of faults
	TimeoutMs int32
	Patience  Time
}

// drawQuorum draws a world of a metadata quorum: voters, observers, and clients that change metadata at whoever leads.
func drawQuorum(seed uint64, p Profile) Options {
	rng := source(seed, forPeers)
	o := Options{Seed: seed, Profile: p, Dirs: 1, SyncAll: pick(&rng, 16, 1, 3), Seal: drawSeal(seed), Fill: drawFill(seed), Index: Indexing{Bytes: 1000, Interval: 300}}
	voters, observers := pick(&rng, 1, 2, 3, 3, 3, 3, 4, 5, 5), pick(&rng, 0, 0, 1, 2)
	if voters == 1 {
		observers++
	}
	for i := range voters + observers {
		o.Nodes = append(o.Nodes, NodeOptions{Voter: i < voters, Broker: true, SkewMs: int64(between(&rng, -30_000, 30_000))})
	}
	o.Node = append(o.Node, core.KeyValue{Key: "log.index.size.max.bytes", Value: fmt.Sprint(o.Index.Bytes)}, core.KeyValue{Key: "log.index.interval.bytes", Value: fmt.Sprint(o.Index.Interval)})
	o.Node = append(o.Node, drawQuorumTimes(&rng)...)
	o.Node = append(o.Node, drawSnapshots(seed)...)
	for range between(&rng, 1, 3) {
		o.Admins = append(o.Admins, AdminOptions{Requests: between(&rng, 10, 60), TimeoutMs: pick[int32](&rng, 300, 1000, 5000), Patience: pick(&rng, 500*Millisecond, 2*Second, 6*Second)})
	}
	drawDelays(&rng, &o)
	o.Safety = p.safety(&rng)
	drawFaults(&o)
	return o
}

// drawQuorumTimes draws how long voters wait for one another.
func drawQuorumTimes(rng *prng.Source) []core.KeyValue {
	return []core.KeyValue{
		{Key: "controller.quorum.election.timeout.ms", Value: pick(rng, "200", "500", "1000")},
		{Key: "controller.quorum.fetch.timeout.ms", Value: pick(rng, "1000", "2000")},
		{Key: "controller.quorum.election.backoff.max.ms", Value: pick(rng, "100", "1000")},
		{Key: "controller.quorum.retry.backoff.ms", Value: pick(rng, "5", "20", "100")},
	}
}

// aloneKinds are the faults of a world of one node only, and amongKinds those of several: the others are of both.
var (
	aloneKinds = []faultKind{diskFull, metadataRot, wipe, identityRot, imageRot}
	rotKinds   = []faultKind{bitRot, misdirectedWrite, misdirectedRead, staleRead, indexRot, stateRot, checkpointRot} // of what clients' topics hold
	amongKinds = []faultKind{isolateNode, splitNodes, cutWay, lossyWays, rollingRestart, wipeNode, darkness, wipeDir}
)

// strikes reports whether a kind is drawn in a world.
func (k faultKind) strikes(o *Options) bool {
	if len(o.Topics) == 0 && slices.Contains(rotKinds, k) {
		return false
	}
	if len(o.Nodes) > 1 {
		return !slices.Contains(aloneKinds, k) && (k != wipeDir || o.Dirs > 1)
	}
	return !slices.Contains(amongKinds, k)
}

// drawCluster draws a world of brokers with replicated partitions. Roles are in one process each, or apart.
func drawCluster(seed uint64, p Profile) Options {
	rng := source(seed, forPeers)
	o := Options{Seed: seed, Profile: p, Dirs: 1, SyncAll: pick(&rng, 16, 1, 3), Seal: drawSeal(seed), Fill: drawFill(seed), Index: Indexing{Bytes: pick[int32](&rng, 1000, 100), Interval: pick[int32](&rng, 300, 1)}}
	dirs := source(seed, forDirs)
	o.Dirs = pick(&dirs, 1, 2)
	brokers, voters, apart := pick(&rng, 2, 3, 3, 3, 4, 5, 7), pick(&rng, 1, 3, 3), rng.IntN(3) == 0
	for i := range brokers {
		o.Nodes = append(o.Nodes, NodeOptions{Voter: !apart && i < voters, Broker: true, SkewMs: int64(between(&rng, -30_000, 30_000))})
	}
	for i := range voters {
		if skew := int64(between(&rng, -30_000, 30_000)); apart || i >= brokers {
			o.Nodes = append(o.Nodes, NodeOptions{Voter: true, SkewMs: skew})
		}
	}
	o.Node = append(o.Node, core.KeyValue{Key: "auto.create.topics.enable", Value: "false"}, core.KeyValue{Key: "log.index.size.max.bytes", Value: fmt.Sprint(o.Index.Bytes)},
		core.KeyValue{Key: "log.index.interval.bytes", Value: fmt.Sprint(o.Index.Interval)})
	o.Node = append(o.Node, drawQuorumTimes(&rng)...)
	o.Node = append(o.Node, drawReplication(&rng)...)
	o.Node = append(o.Node, drawSnapshots(seed)...)
	for i := range between(&rng, 1, 2) {
		t := drawTopic(&rng, i)
		t.Inherits, t.Replicas = false, min(brokers, pick(&rng, 1, 2, 3, 3, 3))
		t.MinInsync = between(&rng, 1, max(1, t.Replicas-rng.IntN(2)))
		o.Topics = append(o.Topics, t)
	}
	for i := range p.clients() + 1 {
		c := drawClient(&rng, i%len(o.Topics), p)
		c.Churn = 0
		o.Clients = append(o.Clients, c)
	}
	drawDelays(&rng, &o)
	o.Safety = p.safety(&rng)
	o.Node = append(o.Node, drawSessions(seed, o.Clients)...)
	drawFaults(&o)
	o.Node = append(o.Node, core.KeyValue{Key: "log.flush.offset.checkpoint.interval.ms", Value: pick(&rng, "60000", "1000", "100")},
		core.KeyValue{Key: "replica.high.watermark.checkpoint.interval.ms", Value: pick(&rng, "5000", "1000", "100")})
	drawMachines(&o)
	drawRetention(&o)
	drawTrims(&o)
	format := source(seed, forFormat)
	o.Eligible = format.IntN(3) > 0
	return o
}

// drawReplication draws how long brokers, replicas and the controller wait for one another.
func drawReplication(rng *prng.Source) []core.KeyValue {
	return []core.KeyValue{
		{Key: "broker.session.timeout.ms", Value: pick(rng, "1000", "3000", "9000")},
		{Key: "broker.heartbeat.interval.ms", Value: pick(rng, "100", "300")},
		{Key: "replica.lag.time.max.ms", Value: pick(rng, "500", "2000", "10000")},
		{Key: "replica.fetch.wait.max.ms", Value: pick(rng, "50", "300", "500")},
		{Key: "replica.fetch.backoff.ms", Value: pick(rng, "20", "200")},
		{Key: "replica.fetch.max.bytes", Value: pick(rng, "100", "1048576")},
		{Key: "leader.imbalance.check.interval.seconds", Value: pick(rng, "1", "5", "300")},
	}
}
