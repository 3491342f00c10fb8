package config

import (
	"slices"
	"strconv"
	"strings"

	"odradek/core/record"
)

// setVoters reads id@host:port, …. Without any, a controller is the only one.
func (n *Node) setVoters(text string) error {
	const key = "controller.quorum.voters"
	for _, part := range splitList(text) {
		number, address, ok := strings.Cut(part, "@")
		colon := strings.LastIndexByte(address, ':')
		id, err := strconv.ParseInt(number, 10, 32)
		if !ok || colon < 0 || err != nil || id < 0 {
			return wrong(key, "%s: %q is not ID@HOST:PORT, such as 1@127.0.0.1:9093", key, part)
		}
		port, err := strconv.ParseUint(address[colon+1:], 10, 16)
		if err != nil {
			return wrong(key, "%s: the port of %q must be a number from 0 to 65535", key, part)
		}
		n.Quorum.Voters = append(n.Quorum.Voters, Voter{record.NodeID(id), strings.Trim(address[:colon], "[]"), int32(port)})
	}
	if len(n.Quorum.Voters) == 0 && n.Controller {
		n.Quorum.Voters = []Voter{{ID: n.NodeID}}
	}
	slices.SortFunc(n.Quorum.Voters, func(a, b Voter) int { return int(a.ID - b.ID) })
	named := false
	for i, v := range n.Quorum.Voters {
		if i > 0 && n.Quorum.Voters[i-1].ID == v.ID {
			return wrong(key, "%s names node %d twice", key, v.ID)
		}
		named = named || v.ID == n.NodeID
	}
	switch {
	case len(n.Quorum.Voters) == 0:
		return wrong(key, "%s is empty: a broker must know the controllers, as ID@HOST:PORT", key)
	case n.Controller && !named:
		return wrong(key, "%s does not name node %d, which is a controller by process.roles", key, n.NodeID)
	case !n.Controller && named:
		return wrong(key, "%s names node %d, which is no controller by process.roles", key, n.NodeID)
	}
	return nil
}

// Voters returns the ids of the controllers, rising.
func (n *Node) Voters() (ids []record.NodeID) {
	for _, v := range n.Quorum.Voters {
		ids = append(ids, v.ID)
	}
	return ids
}

// Voter returns the address of a controller.
func (n *Node) Voter(id record.NodeID) (addr string, ok bool) {
	for _, v := range n.Quorum.Voters {
		if v.ID == id {
			return Address(v.Host, v.Port), true
		}
	}
	return "", false
}

// Alone reports whether this node is the only controller.
func (n *Node) Alone() bool { return n.Controller && len(n.Quorum.Voters) == 1 }

// ControllerListener reports whether a listener of that name is one of the controller's.
func (n *Node) ControllerListener(name string) bool {
	return slices.ContainsFunc(n.Controllers, func(l Listener) bool { return l.Name == name })
}

// Address writes host:port, an IPv6 address in brackets.
func Address(host string, port int32) string {
	if strings.IndexByte(host, ':') >= 0 {
		host = "[" + host + "]"
	}
	return host + ":" + strconv.Itoa(int(port))
}

// replicate sets what holds among nodes.
func (n *Node) replicate(v *values) {
	n.Quorum = Quorum{
		ElectionMs:    v.long("controller.quorum.election.timeout.ms"),
		FetchMs:       v.long("controller.quorum.fetch.timeout.ms"),
		BackoffMs:     v.long("controller.quorum.election.backoff.max.ms"),
		RetryMs:       v.long("controller.quorum.retry.backoff.ms"),
		FetchMaxBytes: int32(v.long("controller.quorum.fetch.max.bytes")),
	}
	n.Replication = Replication{
		HeartbeatMs:      v.long("broker.heartbeat.interval.ms"),
		SessionMs:        v.long("broker.session.timeout.ms"),
		LagMs:            v.long("replica.lag.time.max.ms"),
		WaitMs:           int32(v.long("replica.fetch.wait.max.ms")),
		MinBytes:         int32(v.long("replica.fetch.min.bytes")),
		MaxBytes:         int32(v.long("replica.fetch.max.bytes")),
		ResponseMaxBytes: int32(v.long("replica.fetch.response.max.bytes")),
		BackoffMs:        v.long("replica.fetch.backoff.ms"),
		Rebalance:        v.flag("auto.leader.rebalance.enable"),
		RebalanceSeconds: v.long("leader.imbalance.check.interval.seconds"),
	}
}
