package meter

// wrapping is how many blocks appendLoop puts around a loop.
const wrapping = 3

// appendLoop appends the beginning of a loop with blocks around it:
//
//	block $done
//	  loop $again
//	    block $tick
//	      loop          ;; the instruction
//	        fuel -= cost
//	        br_if $tick ;; where it is below zero
//	        ...
//	      end
//	      br $done
//	    end
//	    fuel = tick(fuel) + cost ;; which the loop takes again
//	    br $again
//	  end
//	end
//
// So the loop itself calls nothing: wazero keeps in registers what it would have
// to spill around a call.
func (m *module) appendLoop(out, instruction []byte, cost uint32) []byte {
	t := instruction[1:]
	out = append(append(out, opBlock), t...)
	out = append(append(out, opLoop), t...)
	out = append(out, opBlock, blockTypeEmpty)
	out = m.appendTake(append(out, instruction...), opI64Sub, cost)
	out = appendU32(append(out, opGlobalGet), m.globals)
	return append(out, opI64Const, 0, opI64LtS, opBrIf, 1)
}

// appendLoopEnd appends the end of a loop that appendLoop began.
func (m *module) appendLoopEnd(out []byte, cost uint32) []byte {
	out = append(out, opEnd, opBr, 2, opEnd)
	out = appendU32(append(out, opCall), m.refuel())
	out = m.appendTake(out, opI64Add, cost)
	return append(out, opBr, 0, opEnd, opEnd)
}

// appendTwice appends a small loop, which an event opens, with two rounds in it:
//
//	block $done
//	  loop $again
//	    block $last
//	      loop            ;; the instruction
//	        fuel -= cost
//	        br_if $last   ;; where it is below cost
//	        block $next
//	          ...         ;; a round, for which the label of the loop is $next
//	          br $done
//	        end
//	        fuel -= cost
//	        ...
//	      end
//	      br $done
//	    end
//	    tick ;; where the fuel is below zero
//	    ...
//	  end
//	end
//
// So there is one look at the fuel in two rounds. Each is paid for when it begins
// all the same, and ticks where the fuel does not last for it. Where a round ends
// with a br_if to the next, an if takes its place in the first, and the place of
// $next: the way that is taken nearly always comes first.
func (s *scan) appendTwice(out []byte, opener int32, depth uint32) []byte {
	const done, again, last, loop, next = 1, 2, 3, 4, 5 // their levels, above depth
	e, m := &s.events[opener], s.m
	first, end := opener+1, int32(e.to)
	instruction := s.code[e.start:e.next]
	out = append(append(out, opBlock), instruction[1:]...)
	out = append(out, instruction...)
	out = append(out, opBlock, blockTypeEmpty)
	out = m.appendTake(append(out, instruction...), opI64Sub, e.charge)
	out = appendU32(append(out, opGlobalGet), m.globals)
	out = appendSigned(append(out, opI64Const), int64(e.charge))
	out = append(out, opI64LtS, opBrIf, loop-last)
	if e.level = depth + loop; s.turns(opener) {
		out = s.appendCode(out, first, end-1, e.level)
		out = append(out, opIf, blockTypeEmpty, opElse, opBr, loop+1-done, opEnd)
	} else {
		e.level = depth + next
		out = s.appendCode(append(out, opBlock, blockTypeEmpty), first, end, e.level)
		out = append(out, opBr, next-done, opEnd)
	}
	e.level = depth + loop
	out = s.appendCode(m.appendTake(out, opI64Sub, e.charge), first, end, e.level)
	out = append(out, opEnd, opBr, last-done, opEnd)
	e.level = depth + again
	out = s.appendCode(m.appendCheck(out), first, end, e.level)
	return append(out, opEnd, opEnd)
}

// turns tells whether the last instruction of a loop without results is a br_if
// that begins the next round.
func (s *scan) turns(opener int32) bool {
	e := &s.events[opener]
	branch := &s.events[e.to-1]
	return s.code[e.start+1] == blockTypeEmpty && branch.kind == eventBranch && s.code[branch.start] == opBrIf &&
		branch.target == opener && branch.next == s.events[e.to].start && !branch.check
}
