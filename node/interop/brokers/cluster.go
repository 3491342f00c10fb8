package brokers

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Endpoint is where a listener is bound, and what the others are told: they differ when something stands in between.
type Endpoint struct{ Bind, Told string }

// Place is where a node of a cluster runs.
type Place struct {
	Clients, Controllers Endpoint
	Admin                string
	Enter                []string // runs a command there, such as ip netns exec NAME
	Data                 string
}

// Member is a node of a cluster, broker and controller in one.
type Member struct {
	Broker
	ID    int
	Place Place
}

// Cluster is nodes of ours, each a process.
type Cluster struct{ Nodes []*Member }

// Loopback are places for so many nodes on 127.0.0.1, with data below dir.
func Loopback(nodes int, dir string) []Place {
	var out []Place
	for i := range nodes {
		clients, controllers := FreeAddress(), FreeAddress()
		out = append(out, Place{Clients: Endpoint{clients, clients}, Controllers: Endpoint{controllers, controllers}, Admin: FreeAddress(), Data: filepath.Join(dir, fmt.Sprintf("n%d", i+1))})
	}
	return out
}

// StartCluster runs a node at each place and waits until all serve. The caller ends it, whatever came of it.
func StartCluster(binary, dir string, places []Place, set map[string]string) (*Cluster, error) {
	var voters []string
	for i, p := range places {
		voters = append(voters, fmt.Sprintf("%d@%s", i+1, p.Controllers.Told))
	}
	c := new(Cluster)
	errs := make(chan error, len(places))
	for i, p := range places {
		m := &Member{ID: i + 1, Place: p, Broker: Broker{Name: fmt.Sprintf("node %d", i+1), Address: p.Clients.Told}}
		c.Nodes = append(c.Nodes, m)
		all := map[string]string{"node.id": fmt.Sprint(m.ID), "controller.quorum.voters": strings.Join(voters, ","), "controller.listener.names": "CONTROLLER",
			"listeners": "PLAINTEXT://" + p.Clients.Bind + ",CONTROLLER://" + p.Controllers.Bind, "advertised.listeners": "PLAINTEXT://" + p.Clients.Told, "admin.listener": p.Admin}
		maps.Copy(all, set)
		line := append(append([]string{}, p.Enter...), binary, "serve", "--data", p.Data, "--cluster-id", ClusterID)
		for _, s := range settings(all) {
			line = append(line, "--set", s)
		}
		go func() { errs <- m.run(exec.Command(line[0], line[1:]...), dir) }()
	}
	var err error
	for range places {
		err = errors.Join(err, <-errs)
	}
	return c, err
}

// End kills all nodes.
func (c *Cluster) End() {
	for _, m := range c.Nodes {
		m.End()
	}
}

// Bootstrap are the addresses of all nodes.
func (c *Cluster) Bootstrap() []string {
	var out []string
	for _, m := range c.Nodes {
		out = append(out, m.Address)
	}
	return out
}

// Node is the member with an id.
func (c *Cluster) Node(id int32) *Member { return c.Nodes[id-1] }

// Ready reports whether the node serves.
func (m *Member) Ready(ctx context.Context) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+m.Place.Admin+"/readyz", nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// AwaitInSync waits until every replica of every partition of the topics is in sync in the eyes of every node, and returns what the cluster says of them then.
func (c *Cluster) AwaitInSync(ctx context.Context, client *kgo.Client, topics ...string) (kadm.TopicDetails, error) {
	admin := kadm.NewClient(client)
	last := "nothing was said"
	for {
		asked, cancel := context.WithTimeout(ctx, 2*time.Second)
		all, err := admin.ListTopics(asked, topics...)
		cancel()
		if err == nil {
			if last = behind(all); last == "" {
				last = c.blind(ctx, client, topics)
			}
			if last == "" {
				return all, nil
			}
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("the replicas are not in sync: %s (%v): %w", last, err, context.Cause(ctx))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// behind names a partition that has not all its replicas in sync, or no leader.
func behind(all kadm.TopicDetails) string {
	if err := all.Error(); err != nil {
		return err.Error()
	}
	out := ""
	all.EachPartition(func(p kadm.PartitionDetail) {
		if p.Err != nil || p.Leader < 0 || len(p.ISR) != len(p.Replicas) {
			out = fmt.Sprintf("%s %d: leader %d, in sync %v of %v, %v", p.Topic, p.Partition, p.Leader, p.ISR, p.Replicas, p.Err)
		}
	})
	return out
}

// blind names a node that does not see all of it: one that was cut off remembers what was before.
func (c *Cluster) blind(ctx context.Context, client *kgo.Client, topics []string) string {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req := kmsg.NewPtrMetadataRequest()
	for _, name := range topics {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = &name
		req.Topics = append(req.Topics, t)
	}
	for _, m := range c.Nodes {
		resp, err := req.RequestWith(ctx, client.Broker(m.ID))
		if err != nil {
			return fmt.Sprintf("node %d: %v", m.ID, err)
		}
		if len(resp.Brokers) != len(c.Nodes) {
			return fmt.Sprintf("node %d knows %d brokers", m.ID, len(resp.Brokers))
		}
		for _, t := range resp.Topics {
			for _, p := range t.Partitions {
				if p.Leader < 0 || len(p.ISR) != len(p.Replicas) {
					return fmt.Sprintf("node %d: %s %d: leader %d, in sync %v of %v", m.ID, *t.Topic, p.Partition, p.Leader, p.ISR, p.Replicas)
				}
			}
		}
	}
	return ""
}

// Active is the id of the quorum's leader.
func Active(ctx context.Context, client *kgo.Client) (int32, error) {
	req := kmsg.NewPtrDescribeQuorumRequest()
	topic := kmsg.NewDescribeQuorumRequestTopic()
	topic.Topic = "__cluster_metadata"
	topic.Partitions = append(topic.Partitions, kmsg.NewDescribeQuorumRequestTopicPartition())
	req.Topics = append(req.Topics, topic)
	resp, err := req.RequestWith(ctx, client)
	if err != nil {
		return 0, err
	}
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return 0, err
	}
	p := resp.Topics[0].Partitions[0]
	return p.LeaderID, kerr.ErrorForCode(p.ErrorCode)
}
