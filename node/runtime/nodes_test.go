package runtime

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core"
	"odradek/core/api"
	"odradek/core/errcode"
	"odradek/core/quorum"
	"odradek/disk/segment"
	"odradek/disk/vfs"
)

// nodes are several nodes of one cluster in this process: all are brokers and voters, each with a disk of its own and real sockets.
type nodes struct {
	t       *testing.T
	disks   []*powerDisk
	logs    []*logLines
	ports   []int // of the controllers
	brokers []int // ports of the brokers
	all     []*Node
}

func newNodes(t *testing.T, n int) *nodes {
	c := &nodes{t: t, all: make([]*Node, n)}
	var held []net.Listener
	port := func() int {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, l)
		return l.Addr().(*net.TCPAddr).Port
	}
	for range n {
		c.disks, c.logs, c.ports, c.brokers = append(c.disks, newPowerDisk()), append(c.logs, new(logLines)), append(c.ports, port()), append(c.brokers, port())
	}
	for _, l := range held {
		_ = l.Close()
	}
	t.Cleanup(func() {
		for _, n := range c.all {
			if n != nil {
				n.Kill()
			}
		}
		if t.Failed() {
			for i, l := range c.logs {
				t.Logf("node %d:\n%s", i+1, strings.Join(l.with(""), ""))
			}
		}
	})
	return c
}

// start starts the ith node, from 0 on, and returns when it serves.
func (c *nodes) start(i int) error {
	var voters []string
	for j, port := range c.ports {
		voters = append(voters, fmt.Sprintf("%d@127.0.0.1:%d", j+1, port))
	}
	o := Options{ClusterID: "4L6g3nShT-eMCtK--X86sw", FS: []vfs.FS{c.disks[i].mount()}, Paths: []string{fmt.Sprintf("/disk/%d", i+1)}, Log: slog.New(slog.NewTextHandler(c.logs[i], nil)),
		Index: segment.Options{IndexBytes: 1 << 16}}
	for _, kv := range []string{fmt.Sprintf("node.id=%d", i+1), fmt.Sprintf("listeners=PLAINTEXT://127.0.0.1:%d,CONTROLLER://127.0.0.1:%d", c.brokers[i], c.ports[i]), "controller.listener.names=CONTROLLER",
		"controller.quorum.voters=" + strings.Join(voters, ","), "controller.quorum.election.timeout.ms=300", "controller.quorum.fetch.timeout.ms=600", "broker.session.timeout.ms=1500",
		"broker.heartbeat.interval.ms=300", "log.index.size.max.bytes=65536"} {
		key, value, _ := strings.Cut(kv, "=")
		o.Config = append(o.Config, core.KeyValue{Key: key, Value: value})
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var err error
	c.all[i], err = Start(ctx, o)
	return err
}

func (c *nodes) startAll(which ...int) {
	c.t.Helper()
	var wait sync.WaitGroup
	errs := make([]error, len(c.all))
	for _, i := range which {
		wait.Go(func() { errs[i] = c.start(i) })
	}
	wait.Wait()
	for i, err := range errs {
		if err != nil {
			c.t.Fatalf("node %d: %v", i+1, err)
		}
	}
}

// kill ends a node as a loss of power would: what no sync has covered is lost in part.
func (c *nodes) kill(i int) {
	c.all[i].Kill()
	c.all[i] = nil
	c.disks[i].restore(rand.New(rand.NewPCG(1, uint64(i))).IntN)
}

// at connects to the listener of a name.
func (c *nodes) at(i int, listener string) *client {
	c.t.Helper()
	for _, e := range c.all[i].Endpoints() {
		if e.Listener == listener {
			nc, err := net.Dial("tcp", e.Addr.String())
			if err != nil {
				c.t.Fatal(err)
			}
			c.t.Cleanup(func() { nc.Close() })
			_ = nc.SetDeadline(time.Now().Add(30 * time.Second))
			return &client{nc: nc}
		}
	}
	c.t.Fatalf("node %d has no listener %s", i+1, listener)
	return nil
}

// quorum asks a broker for the quorum: who leads, in which epoch.
func (c *nodes) quorum(i int) (leader, epoch int32, err error) {
	resp, err := c.at(i, "PLAINTEXT").ask(describeQuorum("__cluster_metadata"))
	if err != nil {
		return -1, -1, err
	}
	r := resp.(*kmsg.DescribeQuorumResponse)
	if r.ErrorCode != 0 {
		return -1, -1, fmt.Errorf("DescribeQuorum is answered %v", errcode.Code(r.ErrorCode))
	}
	p := &r.Topics[0].Partitions[0]
	if len(p.CurrentVoters) != len(c.ports) || len(r.Nodes) != len(c.ports) {
		c.t.Fatalf("%d voters of %d: %+v", len(p.CurrentVoters), len(c.ports), r)
	}
	return p.LeaderID, p.LeaderEpoch, nil
}

// sees reports whether a broker's Metadata has a topic.
func (c *nodes) sees(i int, topic string) bool {
	req := kmsg.NewPtrMetadataRequest()
	req.Version = 12
	resp, err := c.at(i, "PLAINTEXT").ask(req)
	if err != nil {
		c.t.Fatal(err)
	}
	return slices.ContainsFunc(resp.(*kmsg.MetadataResponse).Topics, func(t kmsg.MetadataResponseTopic) bool { return t.Topic != nil && *t.Topic == topic })
}

// operatorsSee looks at the nodes as their metrics do: one is the active controller, all know who, and the others are connected to it.
func (c *nodes) operatorsSee(leader int32) {
	c.t.Helper()
	for i, n := range c.all {
		look, err := n.Inspect(context.Background())
		if err != nil {
			c.t.Fatal(err)
		}
		if q := look.Quorum; q.Active != (int(leader) == i+1) || int32(q.Leader) != leader || q.Observer || (q.Role == quorum.Leader) != q.Active {
			c.t.Errorf("node %d: %+v", i+1, q)
		}
		up := false
		for _, p := range n.Peers() {
			if int(p.Node) == i+1 {
				c.t.Errorf("node %d has a connection to itself: %+v", i+1, p)
			}
			up = up || int32(p.Node) == leader && p.Lane == core.LaneQuorum && p.Up
		}
		if !up && int(leader) != i+1 {
			c.t.Errorf("node %d is not connected to the leader: %+v", i+1, n.Peers())
		}
	}
}

// TestThreeNodes: a leader is elected, a topic made at any of them is seen by all, another one leads when it dies, and it comes back.
func TestThreeNodes(t *testing.T) {
	c := newNodes(t, 3)
	c.startAll(0, 1, 2)
	leader, epoch, err := c.quorum(0)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if l, e, err := c.quorum(i); l != leader || e != epoch || err != nil {
			t.Errorf("node %d says that %d leads in epoch %d, node 1 that %d does in %d: %v", i+1, l, e, leader, epoch, err)
		}
		topic := fmt.Sprintf("of-%d", i+1)
		if err := c.at(i, "PLAINTEXT").createTopic(topic, 3); err != nil {
			t.Fatal(err)
		}
		for j := range 3 {
			eventually(t, fmt.Sprintf("%s at node %d", topic, j+1), func() bool { return c.sees(j, topic) })
		}
	}
	dead := int(leader - 1)
	c.kill(dead)
	alive := (dead + 1) % 3
	var next, later int32
	eventually(t, "another leader", func() bool {
		next, later, err = c.quorum(alive)
		return err == nil && next != leader
	})
	if later <= epoch {
		t.Errorf("node %d leads in epoch %d, node %d did in %d", next, later, leader, epoch)
	}
	if err := c.at(alive, "PLAINTEXT").createTopic("after", 2); err != nil {
		t.Fatal(err)
	}
	eventually(t, "topic at the third node", func() bool { return c.sees((dead+2)%3, "after") })
	if err := c.start(dead); err != nil {
		t.Fatal(err)
	}
	eventually(t, "topic at the node that came back", func() bool { return c.sees(dead, "after") })
	c.operatorsSee(next)
	var wait sync.WaitGroup
	for i := range 3 {
		wait.Go(func() { stop(t, c.all[i]) })
	}
	wait.Wait()
	clear(c.all)
}

// TestSilentVoter: two of three voters serve whatever stands where the third one should be.
func TestSilentVoter(t *testing.T) {
	for name, serve := range map[string]func(net.Conn){ // any order: each on its own
		"silent": func(conn net.Conn) { _, _ = conn.Read(make([]byte, 1)); time.Sleep(time.Second) },
		"nonsense": func(conn net.Conn) {
			_, _ = conn.Write([]byte("SSH-2.0-OpenSSH_9.6\r\n"))
			time.Sleep(100 * time.Millisecond)
		},
		"zeros": func(conn net.Conn) { _, _ = conn.Write(make([]byte, 1<<16)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newNodes(t, 3)
			l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", c.ports[2]))
			for range 5 { // somebody may have taken the port
				if err == nil {
					break
				}
				c = newNodes(t, 3)
				l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", c.ports[2]))
			}
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { l.Close() })
			go func() {
				for {
					conn, err := l.Accept()
					if err != nil {
						return
					}
					go func() {
						defer conn.Close()
						serve(conn)
					}()
				}
			}()
			c.startAll(0, 1)
			if leader, _, err := c.quorum(0); err != nil || leader > 2 {
				t.Errorf("leader %d: %v", leader, err)
			}
			if err := c.at(1, "PLAINTEXT").createTopic("t", 1); err != nil {
				t.Error(err)
			}
			for i := range 2 {
				if lines := c.logs[i].with("node not reached"); len(lines) > 10 {
					t.Errorf("%d lines about a voter that is not there", len(lines))
				}
			}
		})
	}
}

// controllersAnswer asks each controller who the controllers are (KIP-919) and what it knows of the quorum: only the leader does.
func (c *nodes) controllersAnswer(leader int32) {
	c.t.Helper()
	ask := func(i int, listener string, req kmsg.Request) kmsg.Response {
		resp, err := c.at(i, listener).ask(req)
		if err != nil {
			c.t.Fatal(err)
		}
		return resp
	}
	for i := range c.all {
		cluster := kmsg.NewPtrDescribeClusterRequest()
		cluster.Version, cluster.EndpointType = 1, 2
		r := ask(i, "CONTROLLER", cluster).(*kmsg.DescribeClusterResponse)
		if r.ErrorCode != 0 || r.ControllerID != leader || len(r.Brokers) != len(c.ports) || int(r.Brokers[i].Port) != c.ports[i] {
			c.t.Errorf("node %d says of the controllers: %+v", i+1, r)
		}
		if r := ask(i, "PLAINTEXT", cluster).(*kmsg.DescribeClusterResponse); errcode.Code(r.ErrorCode) != errcode.MismatchedEndpointType {
			c.t.Errorf("a broker's listener tells of controllers: %+v", r)
		}
		cluster.EndpointType = 1
		if r := ask(i, "CONTROLLER", cluster).(*kmsg.DescribeClusterResponse); errcode.Code(r.ErrorCode) != errcode.MismatchedEndpointType {
			c.t.Errorf("a controller's listener tells of brokers: %+v", r)
		}
		quorum := describeQuorum("__cluster_metadata")
		want := errcode.NotLeaderOrFollower
		if int(leader) == i+1 {
			want = errcode.None
		}
		if r := ask(i, "CONTROLLER", quorum).(*kmsg.DescribeQuorumResponse); errcode.Code(r.ErrorCode) != want {
			c.t.Errorf("controller %d, %d leads: %+v", i+1, leader, r)
		}
		if r := ask(i, "CONTROLLER", describeQuorum("t")).(*kmsg.DescribeQuorumResponse); errcode.Code(r.Topics[0].Partitions[0].ErrorCode) != errcode.UnknownTopicOrPartition {
			c.t.Errorf("the quorum of a topic: %+v", r)
		}
	}
}

func describeQuorum(topic string) *kmsg.DescribeQuorumRequest {
	req := kmsg.NewPtrDescribeQuorumRequest()
	req.Version = 2
	req.Topics = []kmsg.DescribeQuorumRequestTopic{{Topic: topic, Partitions: []kmsg.DescribeQuorumRequestTopicPartition{{}}}}
	return req
}

// TestControllerListener: it serves the controller's keys and no others, whatever comes there costs its connection only, and limits for clients do not stop it.
func TestControllerListener(t *testing.T) {
	c := newNodes(t, 2)
	c.startAll(0, 1)
	leader, epoch, err := c.quorum(0)
	if err != nil {
		t.Fatal(err)
	}
	versions := kmsg.NewPtrApiVersionsRequest()
	versions.Version, versions.ClientSoftwareName, versions.ClientSoftwareVersion = 3, "a", "1"
	resp, err := c.at(0, "CONTROLLER").ask(versions)
	if err != nil {
		t.Fatal(err)
	}
	offered := map[int16]bool{}
	for _, k := range resp.(*kmsg.ApiVersionsResponse).ApiKeys {
		offered[k.ApiKey] = true
	}
	if !offered[int16(api.Vote)] || !offered[int16(api.BrokerHeartbeat)] || offered[int16(api.Produce)] || offered[int16(api.Metadata)] {
		t.Errorf("the controller's listener offers %v", offered)
	}
	c.controllersAnswer(leader)
	for name, b := range map[string][]byte{ // any order: each on its own
		"HTTP": []byte("GET / HTTP/1.1\r\n\r\n"), "TLS": {0x16, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3}, "negative": {0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0},
		"a vote cut off": {0, 0, 0, 12, 0, 52, 0, 2, 0, 0, 0, 1, 0, 1, 'a', 0},
	} {
		bad := c.at(0, "CONTROLLER")
		if _, err := bad.nc.Write(b); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		bad.closes(t)
	}
	for _, req := range []kmsg.Request{kmsg.NewPtrMetadataRequest(), produceOf("t", 0, 1, batchOf("x"))} {
		bad := c.at(0, "CONTROLLER")
		if err := bad.send(req); err != nil {
			t.Fatal(err)
		}
		bad.closes(t)
	}
	vote := kmsg.NewPtrVoteRequest()
	clients := c.at(0, "PLAINTEXT")
	if err := clients.send(vote); err != nil {
		t.Fatal(err)
	}
	clients.closes(t)
	if _, now, err := c.quorum(1); err != nil || now != epoch {
		t.Errorf("epoch %d, was %d: %v", now, epoch, err)
	}
}
