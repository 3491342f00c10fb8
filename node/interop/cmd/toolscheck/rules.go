package main

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// rule explains lines that only one of the brokers makes a tool print, in the commands of the script that name it. docs/DIFFERENCES.md has a section for each.
type rule struct {
	name        string
	kafka, ours []rewrite           // give the lines that only one has a common form
	drop        func(d *difference) // takes out what cannot have one
	order       bool                // the same lines may come in another order
}

// rewrite replaces what it finds in a line; a line of which nothing is left is dropped.
type rewrite struct {
	found *regexp.Regexp
	as    string
}

func re(found, as string) rewrite { return rewrite{regexp.MustCompile(found), as} }

// gone drops whole lines.
func gone(line string) rewrite { return re("^(stderr: )?("+line+")$", "") }

var rules = []rule{
	{name: "apis", drop: fewerAPIs},
	{name: "not-served-tools",
		kafka: []rewrite{gone(`.*BrokerIdNotRegistered.*`), gone(`ERROR .* Unregister broker request .*`), gone(``), gone(`exit status [01]`)},
		ours: []rewrite{gone(`The target cluster does not support the broker unregistration API\.`), gone(`exit status [01]`), gone(`Error while executing config command .*`),
			gone(`.*UnsupportedVersionException: .*The node does not support (DESCRIBE_CLIENT_QUOTAS|LIST_GROUPS)`)}},
	{name: "durable-default",
		kafka: []rewrite{re(`((flush\.messages|log\.flush\.interval\.messages)=)9223372036854775807`, "${1}1"), re(`((file|log\.segment)\.delete\.delay\.ms=)60000`, "${1}0")}},
	{name: "broker-configs", drop: brokerConfigs},
	{name: "unknown-broker-key", kafka: []rewrite{gone(`Completed updating config for broker 1\.`), gone(`exit status 0`)},
		ours: []rewrite{gone(`.*Cannot update these configs dynamically: \[nonsense\]`), gone(`Error while executing config command .*`), gone(`exit status 1`)}},
	{name: "no-throttles", kafka: []rewrite{gone(`Completed updating config for topic a\.`), gone(`exit status 0`), gone(`  leader\.replication\.throttled\.replicas=.*`)},
		ours: []rewrite{gone(`.*leader\.replication\.throttled\.replicas can only be .*`), gone(`Error while executing config command .*`), gone(`exit status 1`)}},
	{name: "own-words",
		kafka: []rewrite{re(`Unknown topic config name: (\w+)$`, "unknown $1"), re(`( or some brokers have all their log directories cordoned)\.`, "."),
			re(`RecordTooLargeException: The request included a message .*`, "RecordTooLargeException")},
		ours: []rewrite{re(`unknown configuration key "(\w+)": did you mean .*`, "unknown $1"),
			re(`RecordTooLargeException: the batch has \d+ bytes; .*`, "RecordTooLargeException")}},
	{name: "auto-create", kafka: []rewrite{gone(`WARN .* reported a recoverable issue .*\{made=UNKNOWN_TOPIC_OR_PARTITION\}.*`)}},
	{name: "max-timestamp-deleted", kafka: []rewrite{gone(`defaults:0:\d+`)}},
	{name: "written-anew", kafka: []rewrite{re(`("partition":"configured-0","size":)\d+`, "${1}N")}, ours: []rewrite{re(`("partition":"configured-0","size":)\d+`, "${1}N")}},
	{name: "any-order", order: true},
}

// explain takes from a difference what the rule explains. It reports whether that was anything.
func (r *rule) explain(d *difference) bool {
	before, order := len(d.kafka)+len(d.ours), d.order
	if r.drop != nil {
		r.drop(d)
	}
	kafka, ours := rewritten(d.kafka, r.kafka), rewritten(d.ours, r.ours)
	d.kafka, d.ours = without(kafka, ours), without(ours, kafka)
	d.order = d.order && !r.order
	return len(d.kafka)+len(d.ours) < before || order && r.order
}

func rewritten(lines []string, all []rewrite) []string {
	var out []string
	for _, l := range lines {
		blank := l
		for _, r := range all {
			l = r.found.ReplaceAllString(l, r.as)
		}
		if l != "" || blank == "" {
			out = append(out, l)
		}
	}
	return out
}

// fewerAPIs: of an API that both name, ours goes to a lower version, or is not served.
func fewerAPIs(d *difference) {
	api := regexp.MustCompile(`^\t(\w+\(\d+\)): (?:UNSUPPORTED|(\d+)(?: to (\d+))? \[usable: \d+\]),?$`)
	highest := func(l string) (name string, first, last int) {
		m := api.FindStringSubmatch(l)
		if m == nil {
			return "", 0, 0
		}
		if m[2] == "" {
			return m[1], -1, -1
		}
		if m[3] == "" {
			m[3] = m[2]
		}
		first, _ = strconv.Atoi(m[2])
		last, _ = strconv.Atoi(m[3])
		return m[1], first, last
	}
	d.kafka = slices.DeleteFunc(d.kafka, func(k string) bool {
		name, first, last := highest(k)
		at := slices.IndexFunc(d.ours, func(o string) bool {
			ours, from, to := highest(o)
			return name != "" && ours == name && to < last && (to < 0 || from == first)
		})
		if at >= 0 {
			d.ours = slices.Delete(d.ours, at, at+1)
		}
		return at >= 0
	})
}

// placed are the keys of a broker that say where it is and what it is, or have another default here.
var placed = []string{"broker.heartbeat.interval.ms", "broker.id", "broker.session.timeout.ms", "controller.quorum.fetch.timeout.ms",
	"controller.listener.names", "controller.quorum.voters", "listener.security.protocol.map", "listeners", "log.dir", "log.dirs", "node.id",
	"process.roles", "queued.max.request.bytes", "socket.receive.buffer.bytes"}

// brokerConfigs: keys that Kafka alone has, our own one, and those that are placed.
func brokerConfigs(d *difference) {
	key := func(l string) string {
		name, _, ok := strings.Cut(strings.TrimPrefix(l, "  "), "=")
		if !ok || !strings.HasPrefix(l, "  ") {
			return ""
		}
		return name
	}
	var kafka, ours []string
	for _, l := range d.kafka {
		kafka = append(kafka, key(l))
	}
	for _, l := range d.ours {
		ours = append(ours, key(l))
	}
	d.kafka = slices.DeleteFunc(d.kafka, func(l string) bool {
		return key(l) != "" && (!slices.Contains(ours, key(l)) || slices.Contains(placed, key(l)))
	})
	d.ours = slices.DeleteFunc(d.ours, func(l string) bool {
		return key(l) == "admin.listener" || slices.Contains(kafka, key(l)) && slices.Contains(placed, key(l))
	})
}
