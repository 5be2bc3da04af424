EXAMPLES = {"draft_post_mortem": [{"incident": "INC-114"}, {"incident": "INC-101"}]}
