package race

import "time"

// each is what every run takes besides its warm-up and its measurement, on two processors: the topic, what the machine can do, what is deleted.
const each = 800 * time.Millisecond

// Expected is how long a cell takes on a machine with two processors that has nothing else to do; rounds 0: as many as it says itself.
func (p *Plan) Expected(c *Cell, rounds int) time.Duration {
	run := each + c.Around
	if c.Length > 0 {
		run += p.Warmup + p.LengthOf(c)
	}
	return run * time.Duration(len(c.Entrants)*c.repeated(rounds))
}

// Started is how long the brokers take that cells share, until they are started and warm.
func (p *Plan) Started(cells []*Cell) (sum time.Duration) {
	seen := map[team]bool{}
	for _, c := range cells {
		for _, e := range c.Entrants {
			if which := (team{e.Side, c.Nodes}); !c.Alone && !seen[which] {
				seen[which] = true
				sum += time.Duration(c.Nodes)*startOne + p.warm(e.Side)*5/4 // a quarter of the warm-up is between its loads
			}
		}
	}
	return sum
}

// startOne is how long a Kafka takes to be formatted and started.
const startOne = 5 * time.Second
