package interop

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"odradek/node/interop/brokers"
)

// clusterTools runs Apache Kafka's tools against a cluster.
type clusterTools struct {
	t         *testing.T
	classpath string
	bootstrap string
	masks     []string
}

// run runs a tool and returns its status and what it printed, without addresses, times and ids.
func (c *clusterTools) run(class string, args ...string) (status int, out string) {
	c.t.Helper()
	cmd := brokers.Java(c.classpath, class, args...)
	printed, err := cmd.CombinedOutput()
	if _, ended := err.(*exec.ExitError); err != nil && !ended {
		c.t.Fatal(err)
	}
	out = strings.NewReplacer(c.masks...).Replace(string(printed))
	for _, m := range toolMasks {
		out = m.found.ReplaceAllString(out, m.as)
	}
	return cmd.ProcessState.ExitCode(), out
}

var toolMasks = []struct {
	found *regexp.Regexp
	as    string
}{
	{regexp.MustCompile(`TopicId: [A-Za-z0-9_-]{22}`), "TopicId: ID"},
	{regexp.MustCompile(`(?m)^WARN .*\n`), ""}, // of the client, while a node is down
	{regexp.MustCompile(`(?m)^\s+at .*\n`), ""},
}

// says demands of a tool at the cluster that it ends with a status and prints lines that match, one after the other, and no others.
func (c *clusterTools) says(status int, want []string, class string, args ...string) {
	c.t.Helper()
	got, out := c.run(class, append([]string{"--bootstrap-server", c.bootstrap}, args...)...)
	lines := strings.Split(strings.TrimRight(out, "\n"), "\n")
	if out == "" {
		lines = nil
	}
	ok := got == status && len(lines) == len(want)
	for i := 0; ok && i < len(want); i++ {
		ok = regexp.MustCompile("^(?:" + want[i] + ")$").MatchString(lines[i])
	}
	if !ok {
		c.t.Errorf("%s %s: status %d, want %d; it says\n%s\nand not\n%s", class, strings.Join(args, " "), got, status, out, strings.Join(want, "\n"))
	}
}

const (
	topicsTool   = "org.apache.kafka.tools.TopicCommand"
	quorumTool   = "org.apache.kafka.tools.MetadataQuorumCommand"
	electionTool = "org.apache.kafka.tools.LeaderElectionCommand"
	configsTool  = "kafka.admin.ConfigCommand"
	offsetsTool  = "org.apache.kafka.tools.GetOffsetShell"
	logDirsTool  = "org.apache.kafka.tools.LogDirsCommand"
	dumpTool     = "org.apache.kafka.tools.DumpLogSegments"
)

// TestOutsideJavaClusterTools runs Apache Kafka's own tools against a cluster: whole, with a node that was killed, and with that node back.
func TestOutsideJavaClusterTools(t *testing.T) {
	t.Parallel()
	classpath := java(t)
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	c, err := brokers.StartCluster(path, dir, brokers.Loopback(3, dir), nil)
	t.Cleanup(c.End)
	if err != nil {
		t.Fatal(err)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(c.Bootstrap()...), kgo.MetadataMinAge(10*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	ctx := deadline(t, 2*time.Minute)
	createWhole(t, c, client, "warm") // all three nodes are there
	tools := &clusterTools{t: t, classpath: classpath, bootstrap: strings.Join(c.Bootstrap(), ",")}
	for _, m := range c.Nodes {
		tools.masks = append(tools.masks, m.Place.Controllers.Told, fmt.Sprintf("C%d", m.ID), m.Place.Data, fmt.Sprintf("DATA%d", m.ID))
	}
	active, err := brokers.Active(ctx, client)
	if err != nil {
		t.Fatal(err)
	}
	down := active%3 + 1 // another one
	tools.whole(ctx, client, active, down)
	c.Node(down).End()
	awaitFenced(ctx, t, client, down)
	tools.oneDown(active, down)
	if err := c.Node(down).Again(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.AwaitInSync(ctx, client, "warm", "a", "late"); err != nil {
		t.Fatal(err)
	}
	tools.back(down)
	tools.dump(filepath.Join(c.Node(active).Place.Data, "__cluster_metadata-0", "00000000000000000000.log"), down)
}

// whole looks at three nodes. Partition 0 of the topic is led by the node that goes down later.
func (c *clusterTools) whole(ctx context.Context, client *kgo.Client, active, down int32) {
	third := 6 - active - down
	c.says(0, []string{`Created topic a\.`}, topicsTool, "--create", "--topic", "a", "--replica-assignment", fmt.Sprintf("%[1]d:%[2]d:%[3]d,%[2]d:%[3]d:%[1]d", down, active, third), "--config", "min.insync.replicas=2")
	c.says(1, []string{`Error while executing topic command : Unable to replicate the partition 4 time\(s\): The target replication factor of 4 cannot be reached because only 3 broker\(s\) are registered\.`,
		`.*InvalidReplicationFactorException.*`, ` \(org\.apache\.kafka\.tools\.TopicCommand\)`}, topicsTool, "--create", "--topic", "b", "--partitions", "2", "--replication-factor", "4")
	c.says(0, []string{`Topic: a\tTopicId: ID\tPartitionCount: 2\tReplicationFactor: 3\tConfigs: min\.insync\.replicas=2`,
		fmt.Sprintf(`\tTopic: a\tPartition: 0\tLeader: %[1]d\tReplicas: %[1]d,%[2]d,%[3]d\tIsr: %[1]d,%[2]d,%[3]d\tElr: \tLastKnownElr: `, down, active, third),
		fmt.Sprintf(`\tTopic: a\tPartition: 1\tLeader: %[2]d\tReplicas: %[2]d,%[3]d,%[1]d\tIsr: %[2]d,%[3]d,%[1]d\tElr: \tLastKnownElr: `, down, active, third)}, topicsTool, "--describe", "--topic", "a")
	c.says(0, nil, topicsTool, "--describe", "--under-replicated-partitions")
	c.says(0, nil, topicsTool, "--describe", "--unavailable-partitions")
	c.says(0, []string{`ClusterId: +` + brokers.ClusterID, fmt.Sprintf(`LeaderId: +%d`, active), `LeaderEpoch: +[1-9]\d*`, `HighWatermark: +[1-9]\d*`, `MaxFollowerLag: +[01]`, `MaxFollowerLagTimeMs: +\d+`,
		`CurrentVoters: +\[{"id": 1, "endpoints": \["CONTROLLER://C1"\]}, {"id": 2, "endpoints": \["CONTROLLER://C2"\]}, {"id": 3, "endpoints": \["CONTROLLER://C3"\]}\]`, `CurrentObservers: +\[\]`}, quorumTool, "describe", "--status")
	row := `%d +\tAAAAAAAAAAAAAAAAAAAAAA\t[1-9]\d* +\t[01] +\t1\d{12} +\t1\d{12} +\t%s *\t`
	follower := fmt.Sprintf(row, min(down, third), "Follower")
	c.says(0, []string{`NodeId\tDirectoryId +\tLogEndOffset\tLag\tLastFetchTimestamp\tLastCaughtUpTimestamp\tStatus +\t`, fmt.Sprintf(row, active, "Leader"), follower, fmt.Sprintf(row, max(down, third), "Follower")},
		quorumTool, "describe", "--replication")
	for i := range int32(5) {
		if err := client.ProduceSync(ctx, &kgo.Record{Topic: "a", Value: []byte(fmt.Sprint(i))}).FirstErr(); err != nil {
			c.t.Fatal(err)
		}
	}
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, "a")
	if err != nil {
		c.t.Fatal(err)
	}
	first, _ := ends.Lookup("a", 0)
	c.says(0, []string{fmt.Sprintf("a:0:%d", first.Offset), fmt.Sprintf("a:1:%d", 5-first.Offset)}, offsetsTool, "--topic", "a")
	c.says(0, []string{`Completed updating config for topic a\.`}, configsTool, "--alter", "--entity-type", "topics", "--entity-name", "a", "--add-config", "retention.ms=77000")
	c.says(0, []string{`Completed updating config for broker 2\.`}, configsTool, "--alter", "--entity-type", "brokers", "--entity-name", "2", "--add-config", "log.retention.ms=88000")
	c.says(0, []string{`Dynamic configs for broker 2 are:`, `  log\.retention\.ms=88000 sensitive=false synonyms={DYNAMIC_BROKER_CONFIG:log\.retention\.ms=88000, DEFAULT_CONFIG:log\.retention\.hours=168}`}, configsTool, "--describe", "--entity-type", "brokers", "--entity-name", "2")
	c.says(0, []string{`Querying brokers for log directories information`, `Received log directory information from brokers 1,2,3`, `{"brokers":\[{"broker":1,.*"partition":"a-0",.*"broker":2,.*"partition":"a-0",.*"broker":3,.*"partition":"a-0",.*`},
		logDirsTool, "--describe", "--topic-list", "a")
}

// oneDown looks at two nodes of three.
func (c *clusterTools) oneDown(active, down int32) {
	third := 6 - active - down
	lines := []string{fmt.Sprintf(`\tTopic: a\tPartition: 0\tLeader: %[2]d\tReplicas: %[1]d,%[2]d,%[3]d\tIsr: %[2]d,%[3]d\tElr: \tLastKnownElr: `, down, active, third),
		fmt.Sprintf(`\tTopic: a\tPartition: 1\tLeader: %[2]d\tReplicas: %[2]d,%[3]d,%[1]d\tIsr: %[2]d,%[3]d\tElr: \tLastKnownElr: `, down, active, third)}
	c.says(0, lines, topicsTool, "--describe", "--topic", "a", "--under-replicated-partitions")
	c.says(0, lines, topicsTool, "--describe", "--topic", "a", "--at-min-isr-partitions")
	c.says(0, nil, topicsTool, "--describe", "--topic", "a", "--under-min-isr-partitions")
	c.says(0, []string{`Created topic late\.`}, topicsTool, "--create", "--topic", "late", "--partitions", "2", "--replication-factor", "3")
	c.says(1, []string{`Error completing leader election \(PREFERRED\) for partition: a-0: org\.apache\.kafka\.common\.errors\.PreferredLeaderNotAvailableException: The preferred leader was not available\.`,
		`1 replica\(s\) could not be elected`, `org\.apache\.kafka\.tools\.AdminCommandFailedException: 1 replica\(s\) could not be elected`, `\tSuppressed: .*PreferredLeaderNotAvailableException: The preferred leader was not available\.`},
		electionTool, "--election-type", "preferred", "--topic", "a", "--partition", "0")
	c.says(0, []string{`Dynamic configs for topic a are:`, `  min\.insync\.replicas=2 .*`, `  retention\.ms=77000 sensitive=false synonyms={DYNAMIC_TOPIC_CONFIG:retention\.ms=77000[,}].*`}, configsTool, "--describe", "--entity-type", "topics", "--entity-name", "a")
}

// back gives the node that is back its partition again.
func (c *clusterTools) back(down int32) {
	c.says(0, []string{`Successfully completed leader election \(PREFERRED\) for partitions a-0`}, electionTool, "--election-type", "preferred", "--topic", "a", "--partition", "0")
	c.says(0, []string{`Valid replica already elected for partitions a-0`}, electionTool, "--election-type", "preferred", "--topic", "a", "--partition", "0")
	c.says(0, nil, topicsTool, "--describe", "--under-replicated-partitions")
}

// dump has Kafka decode the metadata log of what was done.
func (c *clusterTools) dump(log string, down int32) {
	status, out := c.run(dumpTool, "--cluster-metadata-decoder", "--files", log)
	for _, want := range []string{`LeaderChange: {"version":0,"leaderId":`, `"type":"TOPIC_RECORD","version":0,"data":{"name":"a",`, `"type":"CONFIG_RECORD","version":0,"data":{"resourceType":2,"resourceName":"a","name":"retention.ms","value":"77000"}`,
		`"type":"PARTITION_RECORD","version":2,"data":{"partitionId":0,`, fmt.Sprintf(`"type":"BROKER_REGISTRATION_CHANGE_RECORD","version":0,"data":{"brokerId":%d,"brokerEpoch":`, down)} {
		if !strings.Contains(out, want) {
			c.t.Errorf("Kafka's dump of the metadata log does not show %s", want)
		}
	}
	if status != 0 || strings.Contains(out, "Could not read") || strings.Contains(out, "Exception") || strings.Contains(out, "skipping") {
		c.t.Errorf("Kafka's dump of the metadata log: status %d\n%s", status, tail(out, 3000))
	}
}

// awaitFenced waits until the controller has given a node up.
func awaitFenced(ctx context.Context, t *testing.T, client *kgo.Client, node int32) {
	t.Helper()
	for {
		all, err := kadm.NewClient(client).ListTopics(ctx, "a", "warm")
		held := 0
		all.EachPartition(func(p kadm.PartitionDetail) {
			for _, id := range p.ISR {
				if id == node {
					held++
				}
			}
		})
		if err == nil && held == 0 && len(all) == 2 {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("node %d is still in sync: %v", node, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
