;; The household of qevolve/Household-v0: what can be done.
;; What a kind of thing or furniture affords is said of the kind, so that these facts are shared by
;; all games; where things are is said of each thing.

(define (domain household)
  (:requirements :adl :typing)
  (:types agent place receptacle thing rkind tkind)

  (:predicates
    ; kinds
    (hinged ?k - rkind)                 ; can be opened and closed, hides its content when closed
    (inside ?k - rkind)                 ; things are in it, not on it
    (washes ?k - rkind)
    (heats ?k - rkind)
    (cools ?k - rkind)
    (washable ?k - tkind)
    (heatable ?k - tkind)
    (coolable ?k - tkind)
    (portable ?k - tkind)
    (switchable ?k - tkind)
    (fits ?t - tkind ?r - rkind)
    ; what is what, and where
    (rkindof ?r - receptacle ?k - rkind)
    (tkindof ?o - thing ?k - tkind)
    (stands ?r - receptacle ?p - place)
    (lampplace ?o - thing ?p - place)   ; where a lamp can be reached; lamps are not carried
    ; what changes
    (at ?a - agent ?p - place)
    (in ?o - thing ?r - receptacle)
    (holds ?a - agent ?o - thing)
    (busy ?a - agent)                   ; the agent holds something
    (open ?r - receptacle)
    (clean ?o - thing)
    (hot ?o - thing)
    (cold ?o - thing)
    (lit ?o - thing)
    (looked ?a - agent)                 ; looking around changes nothing that matters
    (examined ?o - thing)
    (inspected ?r - receptacle)
  )

  (:action look
    :parameters (?a - agent ?p - place)
    :precondition (at ?a ?p)
    :effect (looked ?a))

  (:action inventory
    :parameters (?a - agent ?p - place)
    :precondition (at ?a ?p)
    :effect (looked ?a))

  (:action go
    :parameters (?a - agent ?from - place ?to - place ?r - receptacle)
    :precondition (and (at ?a ?from) (stands ?r ?to) (not (= ?from ?to)))
    :effect (and (not (at ?a ?from)) (at ?a ?to)))

  (:action inspect
    :parameters (?a - agent ?p - place ?r - receptacle)
    :precondition (and (at ?a ?p) (stands ?r ?p))
    :effect (inspected ?r))

  (:action examine
    :parameters (?a - agent ?o - thing)
    :precondition (holds ?a ?o)
    :effect (examined ?o))

  (:action open
    :parameters (?a - agent ?p - place ?r - receptacle ?k - rkind)
    :precondition (and (at ?a ?p) (stands ?r ?p) (rkindof ?r ?k) (hinged ?k) (not (open ?r)))
    :effect (open ?r))

  (:action close
    :parameters (?a - agent ?p - place ?r - receptacle)
    :precondition (and (at ?a ?p) (stands ?r ?p) (open ?r))
    :effect (not (open ?r)))

  (:action take
    :parameters (?a - agent ?p - place ?o - thing ?r - receptacle ?k - rkind ?t - tkind)
    :precondition (and
      (at ?a ?p) (stands ?r ?p) (rkindof ?r ?k)
      (not (busy ?a))
      (or (not (hinged ?k)) (open ?r))
      (in ?o ?r) (tkindof ?o ?t) (portable ?t))
    :effect (and (not (in ?o ?r)) (holds ?a ?o) (busy ?a)))

  (:action put
    :parameters (?a - agent ?p - place ?o - thing ?r - receptacle ?k - rkind ?t - tkind)
    :precondition (and
      (holds ?a ?o) (at ?a ?p) (stands ?r ?p) (rkindof ?r ?k)
      (or (not (hinged ?k)) (open ?r))
      (tkindof ?o ?t) (fits ?t ?k))
    :effect (and (in ?o ?r) (not (holds ?a ?o)) (not (busy ?a))))

  (:action wash
    :parameters (?a - agent ?p - place ?o - thing ?r - receptacle ?k - rkind ?t - tkind)
    :precondition (and
      (holds ?a ?o) (at ?a ?p) (stands ?r ?p) (rkindof ?r ?k) (washes ?k)
      (tkindof ?o ?t) (washable ?t))
    :effect (clean ?o))

  (:action heat
    :parameters (?a - agent ?p - place ?o - thing ?r - receptacle ?k - rkind ?t - tkind)
    :precondition (and
      (holds ?a ?o) (at ?a ?p) (stands ?r ?p) (rkindof ?r ?k) (heats ?k)
      (tkindof ?o ?t) (heatable ?t))
    :effect (and (hot ?o) (not (cold ?o))))

  (:action cool
    :parameters (?a - agent ?p - place ?o - thing ?r - receptacle ?k - rkind ?t - tkind)
    :precondition (and
      (holds ?a ?o) (at ?a ?p) (stands ?r ?p) (rkindof ?r ?k) (cools ?k)
      (tkindof ?o ?t) (coolable ?t))
    :effect (and (cold ?o) (not (hot ?o))))

  (:action switchon
    :parameters (?a - agent ?p - place ?o - thing)
    :precondition (and (at ?a ?p) (lampplace ?o ?p) (not (lit ?o)))
    :effect (lit ?o))

  (:action switchoff
    :parameters (?a - agent ?p - place ?o - thing)
    :precondition (and (at ?a ?p) (lampplace ?o ?p) (lit ?o))
    :effect (not (lit ?o)))
)
