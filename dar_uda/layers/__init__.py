"""Operations that the networks of both trainings share."""
