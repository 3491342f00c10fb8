package cli

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"odradek/clientlib"
)

func quorumCommand() *cobra.Command {
	return group("quorum", "Look at the metadata quorum", quorumStatus())
}

type quorumJSON struct {
	Leader        int32               `json:"leader"`
	Epoch         int32               `json:"epoch"`
	HighWatermark int64               `json:"highWatermark"`
	Replicas      []quorumReplicaJSON `json:"replicas"`
}

type quorumReplicaJSON struct {
	ID           int32  `json:"id"`
	Role         string `json:"role"` // leader, voter, observer
	End          int64  `json:"end"`  // -1: unknown
	Lag          int64  `json:"lag"`  // -1: unknown
	LastFetch    int64  `json:"lastFetch"`
	LastCaughtUp int64  `json:"lastCaughtUp"`
}

func quorumStatus() *cobra.Command {
	return onCluster(&cobra.Command{
		Use: "status", Short: "Show the leader of the metadata log and who follows it",
		Long: `Shows the metadata log's replicas: the leader of the quorum, which is the active controller, the other voters, and the observers; for each where its log ends, how
many records it lacks, and how long ago it fetched and was caught up.`,
		Example: `  odradek quorum status
  odradek quorum status -o json`,
		Args: args(cobra.NoArgs, "no arguments"),
	}, func(ctx context.Context, s *session, _ []string) error {
		q, err := s.admin().Quorum(ctx)
		if err != nil {
			return err
		}
		told := quorumOf(&q)
		var lines [][]string
		for _, r := range told.Replicas {
			lines = append(lines, []string{strconv.Itoa(int(r.ID)), r.Role, known(r.End), known(r.Lag), ago(r.LastFetch), ago(r.LastCaughtUp)})
		}
		if out := s.cmd.OutOrStdout(); terminal(out) && !s.json() {
			fmt.Fprintf(out, "leader %d, epoch %d, committed up to %d\n\n", q.Leader, q.Epoch, q.HighWatermark)
		}
		return s.show(told, []string{"NODE", "ROLE", "LOG END", "LAG", "FETCHED", "CAUGHT UP"}, lines, nil)
	})
}

func quorumOf(q *clientlib.Quorum) quorumJSON {
	told := quorumJSON{q.Leader, q.Epoch, q.HighWatermark, []quorumReplicaJSON{}}
	end := int64(-1)
	for _, r := range q.Voters {
		if r.ID == q.Leader {
			end = r.End
		}
	}
	add := func(role string, replicas []clientlib.QuorumReplica) {
		for _, r := range replicas {
			out := quorumReplicaJSON{r.ID, role, r.End, -1, r.LastFetch, r.LastCaughtUp}
			if r.ID == q.Leader {
				out.Role = "leader"
			}
			if r.End >= 0 && end >= 0 {
				out.Lag = max(end-r.End, 0)
			}
			told.Replicas = append(told.Replicas, out)
		}
	}
	add("voter", q.Voters)
	add("observer", q.Observers)
	return told
}

// ago says how long a time is past; a dash for one that nobody knows.
func ago(ms int64) string {
	if ms < 0 {
		return "-"
	}
	return max(time.Since(time.UnixMilli(ms)), 0).Round(time.Millisecond).String() + " ago"
}
